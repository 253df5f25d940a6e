/** The first-start assistant. */
export function Start() {
  return null;
}

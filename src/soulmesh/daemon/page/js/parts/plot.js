// Curves over time, drawn by uPlot in the colours of the page.

import uPlot from "../../vendor/uplot.js";
import { html, useEffect, useRef } from "../lib/ui.js";
import { locale, t } from "../lib/texts.js";

/**
 * A curve.
 * @typedef {object} Curve
 * @property {string} title
 * @property {string} token the colour: a custom property, "--accent"
 * @property {boolean} [filled]
 */

/** A colour of the page as the canvas wants it. @param {HTMLElement} element @param {string} token */
function colour(element, token) {
  const before = element.style.color;
  element.style.color = `var(${token})`;
  const found = getComputedStyle(element).color;
  element.style.color = before;
  return found;
}

/** The same, see-through. @param {string} found */
function pale(found) {
  const numbers = found.match(/[\d.]+/g) ?? ["128", "128", "128"];
  return found.startsWith("rgb") ? `rgba(${numbers.slice(0, 3).join(", ")}, 0.14)` : `color-mix(in srgb, ${found} 14%, transparent)`;
}

/**
 * Curves over one axis of time.
 * @param {{ label: string, at: number[], values: (number | null)[][], curves: Curve[], format: (value: number) => string,
 *           height?: number, least?: number }} props  at: seconds since the epoch; values: one list per curve;
 *   least: the top of the axis while nothing is larger
 */
export function Plot({ label, at, values, curves, format, height = 180, least = 1 }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const data = useRef(/** @type {any} */ (null));
  const shape = useRef(format);
  shape.current = format;
  data.current = [at, ...values];

  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const draw = () => {
      plot.current?.destroy();
      const line = colour(element, "--line");
      const text = colour(element, "--muted");
      const font = `12px ${getComputedStyle(element).fontFamily}`;
      const axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
      const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
      const second = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
      const clock = (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => {
        const close = ticks.length > 1 && ticks[1] - ticks[0] < 60;
        return ticks.map((tick) => (close ? second : hour).format(tick * 1000));
      };
      /** @type {any} */
      const options = {
        width: Math.max(200, element.clientWidth),
        height,
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        legend: { live: true },
        scales: { y: { range: (/** @type {unknown} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, Math.max(least, most * 1.1)] } },
        axes: [
          { ...axis, size: 28, space: 90, values: clock },
          { ...axis, size: 76, values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map((tick) => shape.current(tick)) },
        ],
        series: [
          {
            label: t("statistics.time"),
            value: (/** @type {any} */ drawn, /** @type {number | null} */ tick) => second.format((tick ?? drawn.data[0].at(-1)) * 1000),
          },
          ...curves.map((curve) => {
            const stroke = colour(element, curve.token);
            return {
              label: curve.title,
              stroke,
              width: 1.5,
              fill: curve.filled ? pale(stroke) : undefined,
              points: { show: false },
              // Where nobody points, the newest value stands.
              value: (/** @type {any} */ drawn, /** @type {number | null} */ value, /** @type {number} */ series) =>
                shape.current(value ?? drawn.data[series].at(-1) ?? 0),
            };
          }),
        ],
      };
      plot.current = new uPlot(options, data.current, element);
    };
    draw();
    const widths = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(200, element.clientWidth), height }));
    widths.observe(element);
    // A canvas does not follow the theme by itself.
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributes: true });
    return () => {
      widths.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [curves.map(({ title, token }) => title + token).join(), height]);

  useEffect(() => {
    plot.current?.setData(data.current);
  }, [at, values]);

  const told = curves
    .map(({ title }, index) => {
      const known = /** @type {number[]} */ (values[index].filter((value) => value !== null));
      return known.length ? `${title}: ${format(known[known.length - 1])}, max. ${format(Math.max(...known))}` : title;
    })
    .join("; ");
  return html`<div class="plot" ref=${box} role="img" aria-label=${`${label}. ${told}`}></div>`;
}

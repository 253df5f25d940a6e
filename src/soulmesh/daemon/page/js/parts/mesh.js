// Our place in the distributed network as a drawing: root, parent, we, children.

import { go } from "../lib/route.js";
import { t } from "../lib/texts.js";
import { html } from "../lib/ui.js";

/**
 * Our place, as the API tells it.
 * @typedef {object} Tree
 * @property {string | null} parent
 * @property {number} level
 * @property {string | null} root
 * @property {string[]} children
 * @property {number} most_children
 */

/**
 * A circle with a name below.
 * @typedef {object} Node
 * @property {number} x
 * @property {number} y
 * @property {string} name
 * @property {string} kind server, root, parent, us or child
 * @property {string} told what is read out
 */

const WIDTH = 520;
const ROW = 76;
const ACROSS = 6;
const SHOWN = 24;

/** @param {{ tree: Tree, me: string, server: string }} props */
export function Mesh({ tree, me, server }) {
  const { nodes, edges, height, more } = place(tree, me, server);
  return html`
    <svg class="mesh" viewBox=${`0 0 ${WIDTH} ${height}`} role="group" aria-label=${describe(tree, me)}>
      <g class="mesh-edges" aria-hidden="true">
        ${edges.map(({ from, to, dashed }, at) => html`<path key=${at} class=${dashed ? "dashed" : ""} d=${curve(from, to)} />`)}
      </g>
      ${nodes.map((node) => html`<${Circle} key=${node.kind + node.name} node=${node} />`)}
      ${more > 0 && html`<text class="mesh-more" x=${WIDTH / 2} y=${height - 6} text-anchor="middle">${t("statistics.moreChildren", { count: more })}</text>`}
    </svg>
  `;
}

/** @param {Tree} tree @param {string} me */
function describe(tree, me) {
  const children = t("statistics.children", { count: tree.children.length });
  if (!tree.parent) return t("statistics.treeAlone", { me, children });
  return t("statistics.treeText", { me, parent: tree.parent, level: String(tree.level), children });
}

/** @param {Tree} tree @param {string} me @param {string} server */
function place(tree, me, server) {
  const middle = WIDTH / 2;
  /** @type {Node[]} */
  const nodes = [{ x: middle, y: 24, name: server, kind: "server", told: t("statistics.server") }];
  /** @type {{ from: Node, to: Node, dashed: boolean }[]} */
  const edges = [];
  const add = (/** @type {Omit<Node, "y">} */ node, /** @type {number} */ row, /** @type {Node} */ above, dashed = false) => {
    const made = { ...node, y: 24 + row * ROW };
    nodes.push(made);
    edges.push({ from: above, to: made, dashed });
    return made;
  };
  let above = nodes[0];
  let row = 1;
  if (tree.parent) {
    if (tree.root && tree.root !== tree.parent && tree.root !== me) {
      above = add({ x: middle, name: tree.root, kind: "root", told: t("statistics.root") }, row++, above);
      // Those between the root and our parent are not known to us.
      above = add({ x: middle, name: tree.parent, kind: "parent", told: t("statistics.parent") }, row++, above, tree.level > 2);
    } else {
      above = add({ x: middle, name: tree.parent, kind: "parent", told: t("statistics.parentRoot") }, row++, above);
    }
  }
  const us = add({ x: middle, name: me, kind: "us", told: t("statistics.us") }, row++, above);
  const shown = tree.children.slice(0, SHOWN);
  const rows = Math.ceil(shown.length / ACROSS);
  shown.forEach((name, at) => {
    const line = Math.floor(at / ACROSS);
    const inLine = line === rows - 1 ? shown.length - line * ACROSS : ACROSS;
    const step = WIDTH / Math.max(1, Math.min(inLine, ACROSS));
    add({ x: step * ((at % ACROSS) + 0.5), name, kind: "child", told: t("statistics.child") }, row + line, us);
  });
  const more = tree.children.length - shown.length;
  return { nodes, edges, more, height: 24 + (row + Math.max(0, rows - 1)) * ROW - (rows ? 0 : ROW) + (more ? 60 : 40) };
}

/** @param {Node} from @param {Node} to */
function curve(from, to) {
  const half = (from.y + to.y) / 2;
  return `M${from.x} ${from.y}C${from.x} ${half} ${to.x} ${half} ${to.x} ${to.y}`;
}

/** @param {{ node: Node }} props */
function Circle({ node }) {
  // Names stand beside the line that leads down; children have none below them.
  const short = node.name.length > 12 && node.kind === "child" ? `${node.name.slice(0, 10)}…` : node.name;
  const body = html`
    <title>${`${node.told}: ${node.name}`}</title>
    <circle r=${node.kind === "us" ? 12 : node.kind === "child" ? 7 : 9} />
    ${node.kind === "child"
      ? html`<text y="24" text-anchor="middle">${short}</text>`
      : html`<text x="20" y="5">${short}</text>`}
  `;
  const at = `translate(${node.x} ${node.y})`;
  if (node.kind === "server" || node.kind === "us") {
    return html`<g class=${`mesh-node ${node.kind}`} transform=${at} role="img" aria-label=${`${node.told}: ${node.name}`}>${body}</g>`;
  }
  const open = () => go("users", node.name);
  return html`
    <g
      class=${`mesh-node ${node.kind}`}
      transform=${at}
      role="link"
      tabindex="0"
      aria-label=${`${node.told}: ${node.name}`}
      onClick=${open}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Enter") open();
      }}
    >
      ${body}
    </g>
  `;
}

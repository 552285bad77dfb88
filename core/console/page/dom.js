// Elements, and a page that follows data without losing focus, selection or scroll.

// h makes an element. A property that is null or false is left out, true is empty.
// Children are elements, texts, or lists of these.
export function h(tag, props, ...children) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value != null && value !== false) e.setAttribute(name, value === true ? "" : value)
  }
  e.append(...children.flat(Infinity).filter((c) => c != null && c !== false))
  return e
}

// fill makes the children of an element what is given. Elements that are there already
// stay, changed where they differ: by data-key, else by place and tag.
export function fill(live, ...children) {
  match(live, h("div", null, ...children))
}

function match(live, next) {
  const keyed = new Map()
  for (const c of live.children) if (c.dataset.key) keyed.set(c.dataset.key, c)
  let at = live.firstChild
  for (const want of [...next.childNodes]) {
    const key = want.dataset?.key
    const old = key ? keyed.get(key) : at && !at.dataset?.key && at.nodeName === want.nodeName ? at : null
    if (!old) {
      live.insertBefore(want, at)
      continue
    }
    if (old === at) at = at.nextSibling
    else live.insertBefore(old, at)
    become(old, want)
  }
  while (at) {
    const gone = at
    at = at.nextSibling
    gone.remove()
  }
}

function become(old, want) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== want.data) old.data = want.data
    return
  }
  for (const { name } of [...old.attributes]) {
    if (!want.hasAttribute(name) && name !== "open") old.removeAttribute(name) // what a reader opened stays open
  }
  for (const { name, value } of want.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  }
  match(old, want)
}

// table makes a table that scrolls in its own box; the first cell of a row heads it. Of
// the kind "cards" each row is a card where the window is narrow.
export function table(caption, heads, rows, kind) {
  return h("div", { class: "scroll" }, h("table", { class: kind },
    h("caption", null, caption),
    h("thead", null, h("tr", null, heads.map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", null, rows)))
}

// when tells a time: today's without the date.
export function when(text) {
  if (!text || text.startsWith("0001-")) return ""
  const t = new Date(text), today = t.toDateString() === new Date().toDateString()
  const shown = today ? t.toLocaleTimeString() : t.toLocaleString()
  return h("time", { datetime: text, title: t.toLocaleString(), class: "nowrap" }, shown)
}

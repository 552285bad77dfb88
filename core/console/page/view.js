// What the data looks like. Nothing here asks the server.
import { h, table, when } from "/console/dom.js"
import { verbs, of as verbsOf } from "/console/verbs.js"

const tones = { Ready: "good", Transient: "busy", NotReady: "bad" }
const percent = (x) => `${(100 * x).toFixed(1).replace(/\.0$/, "")} %`

function button(verb, module, node) {
  const where = node ? `on ${node}` : "on all servers"
  return h("button", { type: "button", "data-verb": verb, "data-module": module, "data-node": node, "aria-label": `${verbs[verb].label} ${module} ${where}` }, verbs[verb].label)
}

function shares(n) {
  if (n.state !== "UP") return ""
  const all = Object.entries(n.shares ?? { "": n.share })
  return all.map(([group, x]) => h("div", { class: "nowrap" },
    all.length > 1 ? `${group} ` : "", h("meter", { value: x, "aria-hidden": "true" }), ` ${percent(x)}`))
}

// pair tells what a server of a mirror knows of the two.
function pair(p) {
  const other = { unknown: `${p.peer} was not heard yet`, lost: `${p.peer} is lost: ${p.lost || "it is silent"}` }[p.link] ?? `${p.peer} is ${p.peer_state} ${p.peer_phase}`
  return [p.serves ? h("div", { class: "good" }, "has the address") : "", h("div", { class: p.link === "heard" ? "" : "busy" }, other),
    p.replicated ? h("div", { class: p.up_to_date ? "" : "bad" }, `data: generation ${p.generation}, ${p.up_to_date ? "up to date" : "not up to date"}`) : "",
    p.degraded ? h("div", { class: "bad" }, "replication failed here") : "", p.replication ? replication(p.replication) : "", p.failover ? "" : h("div", { class: "busy" }, "failover is off")]
}

const size = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
  const u = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10))
  return u ? `${(n / 1024 ** u).toFixed(1)} ${units[u]}` : `${n} B`
}

// replication tells where the copies of a mirror stand, as a server knows it.
function replication(r) {
  const lines = [], x = r.resync, v = r.verified
  if (r.role !== "stop") lines.push(h("div", null, r.state === "alone" ? "what changes is recorded for the other" : `replication: ${r.state}`))
  if (r.role === "prim" && r.connected) lines.push(h("div", null, `lag ${r.lag_operations} operations, ${size(r.lag_bytes)}; ${size(r.rate)}/s`))
  if (x?.running) {
    lines.push(h("div", { class: "busy" }, h("meter", { value: x.total ? x.done / x.total : 0, "aria-hidden": "true" }),
      ` ${size(x.done)} of ${size(x.total)} in ${Math.min(x.files, x.known)} of ${x.known} files compared, ${size(x.sent)} sent`, x.left ? `, about ${x.left} left` : ""))
  }
  if (r.verifying) {
    const y = r.verifying
    lines.push(h("div", { class: "busy" }, `is verified: ${size(y.done)} of ${size(y.total)} in ${Math.min(y.files, y.known)} of ${y.known} files`, y.left ? `, about ${y.left} left` : ""))
  }
  if (!r.connected && r.why) lines.push(h("div", { class: "busy" }, r.why))
  if (v) {
    const bad = !v.complete || v.different > 0
    lines.push(h("div", { class: bad ? "bad" : "" }, "verified ", when(v.at), v.complete ? v.different > 0 ? `: ${v.different} files differ` : ": the same" : `: broken off, ${v.error}`))
  }
  if (r.next_sync) lines.push(h("div", null, "next synchronisation ", when(r.next_sync)))
  return lines
}

const part = { farm: "Share", mirror: "Pair" }

function state(n) {
  if (!n.reachable) return h("span", { class: "state bad" }, "does not answer")
  const tone = n.state === "STOP" ? "faint" : n.drained ? "busy" : tones[n.phase]
  return [h("span", { class: `state ${tone}` }, `${n.state} ${n.phase}`), n.drained ? h("div", null, "drained") : "",
    (n.muted ?? []).map((m) => h("div", { class: "busy" }, `${m} not watched`))]
}

function nodeRow(m, n, may) {
  return h("tr", { "data-key": n.node },
    h("th", { scope: "row" }, n.node),
    h("td", null, state(n)),
    h("td", { class: n.pair ? "pair" : null }, m.mode === "farm" ? shares(n) : n.pair ? pair(n.pair) : ""),
    h("td", { class: "number", "data-head": "Connections" }, n.reachable ? String(n.connections) : ""),
    h("td", null, n.reason ?? "", n.signature && n.signature !== m.signature ? h("div", { class: "busy" }, "another configuration") : ""),
    h("td", { "data-head": "Since" }, when(n.since)),
    h("td", { class: "buttons" },
      may ? verbsOf(m.mode, n).map((v) => button(v, m.name, n.node)) : "",
      n.reachable ? h("button", { type: "button", "data-why": m.name, "data-node": n.node, "aria-label": `Why is ${m.name} on ${n.node} as it is?` }, "Why?") : ""))
}

// tone is the colour of a resource: one that is down is bad news, but for that which says
// that something has failed.
function tone(r) {
  const value = r.name === "rfs.degraded" ? { up: "down", down: "up" }[r.value] ?? r.value : r.value
  return { up: "good", down: "bad", init: "busy" }[value] ?? "faint"
}

function resourceRows(m) {
  return m.nodes.flatMap((n) => (n.resources ?? []).map((r) => h("tr", { "data-key": `${n.node} ${r.name}` },
    h("th", { scope: "row" }, r.name),
    h("td", null, n.node),
    h("td", { class: tone(r) }, r.value),
    h("td", null, r.reason ?? ""),
    h("td", null, when(r.since)),
    h("td", { class: "buttons" }, h("button", { type: "button", "data-history": r.name, "data-module": m.name, "data-node": n.node, "aria-label": `History of ${r.name} on ${n.node}` }, "History")))))
}

// module shows one module on all servers; may says whether the reader may move it, and
// configure it.
export function module(m, may) {
  const resources = resourceRows(m)
  const filters = m.nodes.flatMap((n) => (n.filter ?? []).map((f) => h("li", null, `${n.node}: ${f}`)))
  return h("article", { "data-key": m.name },
    h("div", { class: "bar" }, h("h3", null, m.name), h("span", { class: "faint" }, [m.mode, ...(m.addresses ?? [])].join(" · ")),
      may.configure ? h("button", { type: "button", "data-configure": m.name, "aria-label": `Configuration of ${m.name}` }, "Configuration") : "",
      may.move ? h("span", null, ["start", "stop", "restart", "stopstart"].map((v) => [button(v, m.name), " "]), h("span", { class: "faint" }, "all servers")) : ""),
    table(`${m.name} on each server`, ["Server", "State", part[m.mode] ?? "", "Connections", "Reason", "Since", may.move ? "Actions" : ""], m.nodes.map((n) => nodeRow(m, n, may.move)), "cards"),
    resources.length ? h("details", null, h("summary", null, `Resources of ${m.name}`),
      table(`Resources of ${m.name}`, ["Resource", "Server", "Value", "Reason", "Since", ""], resources)) : "",
    filters.length ? h("details", null, h("summary", null, `How packets of ${m.name} are filtered`), h("ul", null, filters)) : "")
}

// servers shows the cluster.
export function servers(c) {
  return table("Servers of the cluster", ["Server", "Alive", "Addresses", "Configuration", "Known from", "Since"], c.nodes.map((n) => h("tr", { "data-key": n.name },
    h("th", { scope: "row" }, n.name),
    h("td", { class: n.alive ? "good" : "bad" }, n.alive ? "yes" : "no"),
    h("td", null, Object.entries(n.addresses).sort(([a], [b]) => (b === "default") - (a === "default")).map(([network, a]) => h("div", null, network === "default" ? a : `${network} ${a}`))),
    h("td", { class: n.current ? "" : "busy" }, n.current ? "current" : `differs: ${(n.stale ?? []).join(", ")}`),
    h("td", null, n.evidence ?? ""),
    h("td", null, when(n.since)))))
}

// links lead to the consoles of the other servers.
export function links(c) {
  return c.nodes.filter((n) => n.name !== c.node).map((n) => {
    const a = n.addresses.default ?? Object.values(n.addresses)[0] ?? ""
    const host = a.includes(":") ? `[${a}]` : a
    return [h("a", { href: `https://${host}:${location.port || 443}/`, "data-console": n.name }, n.name), " "]
  })
}

// entries shows a log, the newest entry first.
export function entries(list) {
  if (list.length === 0) return h("p", { class: "faint" }, "Nothing of the kind has happened.")
  return h("table", null, h("caption", null, "Log, the newest entry first"),
    h("thead", null, h("tr", null, ["Time", "Module", "Kind", "What happened"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", null, list.toReversed().map((e) => h("tr", { "data-key": String(e.id) },
      h("td", { class: "narrow" }, when(e.time)), h("td", { class: "narrow" }, e.module ?? ""), h("td", { class: "narrow" }, e.kind),
      h("td", { class: { error: "bad", warn: "busy", debug: "faint" }[e.level] }, e.level === "error" ? "error: " : "", e.text,
        e.output ? h("details", null, h("summary", null, "what was printed"), h("pre", null, e.output)) : "")))))
}

// history shows what a resource was, the newest first.
export function history(list) {
  if (list.length === 0) return h("p", null, "It has not changed yet.")
  return table("Changes", ["Time", "Value", "Reason"], list.toReversed().map((c) => h("tr", null,
    h("td", { class: "nowrap" }, when(c.time)), h("td", { class: { up: "good", down: "bad" }[c.value] ?? "faint" }, c.value), h("td", null, c.reason ?? ""))))
}

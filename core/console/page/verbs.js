// What can be done with a module, and what one has to know before.

export const verbs = {
  start: { label: "Start" },
  stop: { label: "Stop", warn: "New connections go to the other servers first; those that are still open end with the application. Drain before to let them end by themselves.", pair: "The application stops on this server. If it is the primary, the other server takes over." },
  restart: { label: "Restart", warn: "The application is stopped and started; the virtual address stays." },
  stopstart: { label: "Stop and start", warn: "The module is stopped as a whole, and started again.", pair: "The module is stopped as a whole, and started again; if this is the primary, the other server takes over." },
  forcestop: { label: "Force stop", warn: "Nothing is handed over, and what does not end is killed." },
  drain: { label: "Drain", warn: "New connections go to the other servers; those that exist go on until they end." },
  undrain: { label: "Undrain" },
  swap: { label: "Swap", warn: "Primary and secondary change places: the application stops on one server and starts on the other. It is refused while the secondary is not up to date." },
  prim: { label: "Start as primary", warn: "You say that the good data is on this server: the other one copies from it, and what only the other one has is lost there. It is refused where this data is known to be outdated." },
  wakeup: { label: "Wake up" },
  mute: { label: "Mute", warn: "The module is not watched on this server until it is unmuted: what its checks find neither acts nor holds it back. The application goes on." },
  unmute: { label: "Unmute" },
  verify: { label: "Verify copies", warn: "Both copies are read and compared; nothing is changed, and the application goes on." },
  "failover-off": { label: "Failover off", warn: "The secondary no longer takes over by itself." },
  "failover-on": { label: "Failover on" },
}

const primary = (n) => ["ALONE", "PRIM"].includes(n.state)

// of lists what makes sense for a module on a server as it is.
export function of(mode, n) {
  if (!n.reachable) return []
  const list = n.state === "STOP" ? ["start"] : ["stop", "restart", "stopstart"]
  if (n.phase === "Transient") list.push("forcestop")
  if (mode === "farm" && n.state === "UP") list.push(n.drained ? "undrain" : "drain")
  if (n.state === "WAIT" && n.phase === "NotReady") list.push("wakeup")
  list.push(n.muted?.length ? "unmute" : "mute")
  if (mode === "mirror") {
    if (n.state === "STOP" || (n.state === "WAIT" && n.phase === "NotReady")) list.push("prim")
    if (n.state === "PRIM") list.push("swap")
    if (n.state === "PRIM" && n.pair?.replicated) list.push("verify")
    if (n.pair) list.push(n.pair.failover ? "failover-off" : "failover-on")
  }
  return list
}

// calls are what verbs ask the API for; each has an outcome of nodes or a text.
export function calls(verb, node) {
  const nodes = node ? [node] : []
  switch (verb) {
    case "mute": case "unmute":
      return ["checks", "processes"].map((name) => ["switch", { nodes, name, to: verb === "mute" ? "off" : "on" }])
    case "verify":
      return [["verify", {}]]
  }
  return [[verb, { nodes, wait: "2m" }]]
}

const serves = (n) => n.reachable && (n.state === "UP" || primary(n)) && !n.drained

// heir is the other server of a mirror, if it can take over.
const heir = (module, node) => module.nodes.find((n) => n.node !== node && n.reachable && n.state === "SECOND" && n.phase === "Ready")

// warning tells what a verb does to the service; without an answer nobody needs to be
// asked.
export function warning(verb, module, node) {
  const { warn, pair } = verbs[verb]
  if (!warn) return ""
  const text = module.mode === "mirror" && pair ? pair : warn
  if (!node && verb === "stopstart") return `${text} One server after the other.`
  if (!["stop", "forcestop", "drain", "stopstart"].includes(verb)) return text
  const here = module.nodes.find((n) => n.node === node)
  const goesOn = node && (module.mode === "mirror" ? !primary(here) || heir(module, node) : module.nodes.some((n) => n.node !== node && serves(n)))
  return goesOn ? text : `${text}\nNo other server serves ${module.name}: the service ends meanwhile.`
}

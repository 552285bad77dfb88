// What can be done with a module, and what one has to know before.

export const verbs = {
  start: { label: "Start" },
  stop: { label: "Stop", warn: "New connections go to the other servers first; those that are still open end with the application. Drain before to let them end by themselves." },
  restart: { label: "Restart", warn: "The application is stopped and started; the virtual address stays." },
  stopstart: { label: "Stop and start", warn: "The module is stopped as a whole, and started again." },
  forcestop: { label: "Force stop", warn: "Nothing is handed over, and what does not end is killed." },
  drain: { label: "Drain", warn: "New connections go to the other servers; those that exist go on until they end." },
  undrain: { label: "Undrain" },
  swap: { label: "Swap", warn: "Primary and secondary change places; the application is stopped and started." },
}

// of lists what makes sense for a module on a server as it is.
export function of(mode, n) {
  if (!n.reachable) return []
  const list = n.state === "STOP" ? ["start"] : ["stop", "restart", "stopstart"]
  if (n.phase === "Transient") list.push("forcestop")
  if (mode === "farm" && n.state === "UP") list.push(n.drained ? "undrain" : "drain")
  if (mode === "mirror" && (n.state === "PRIM" || n.state === "SECOND")) list.push("swap")
  return list
}

const serves = (n) => n.reachable && ["UP", "ALONE", "PRIM"].includes(n.state) && !n.drained

// warning tells what a verb does to the service; without an answer nobody needs to be
// asked.
export function warning(verb, module, node) {
  const text = verbs[verb].warn
  if (!text) return ""
  if (verb === "swap") return text
  const others = module.nodes.filter((n) => node && n.node !== node && serves(n))
  const away = ["stop", "forcestop", "drain", "stopstart"].includes(verb)
  if (!node && verb === "stopstart") return `${text} One server after the other.`
  if (away && others.length === 0 && module.mode !== "mirror") return `${text}\nNo other server serves ${module.name}: the service ends meanwhile.`
  return text
}

// The console: logs in, asks the server every two seconds, and does what is clicked.
import { fill, h } from "/console/dom.js"
import { get, post, remove, lines, of, Refused } from "/console/api.js"
import * as view from "/console/view.js"
import * as config from "/console/config.js"
import * as install from "/console/install.js"
import { calls, verbs, warning } from "/console/verbs.js"

const every = 2000, kept = 500
let pass = null // opens the consoles of the other servers
const $ = (id) => document.getElementById(id)
const show = (id, yes) => { $(id).hidden = !yes }

let session = null // who reads
let status = null // of all modules
let cluster = null
let heard = new Date() // when the server last answered
let log = { asked: "", entries: [] }

function say(text) { $("news").textContent = text }

// trouble tells what is wrong, and where else to look.
function trouble(error) {
  show("trouble", error != null)
  if (error) fill($("trouble"), error.message, cluster ? [" Other servers: ", view.links(cluster)] : "")
}

async function enter() {
  const token = decodeURIComponent(location.hash.slice(1))
  const invited = /^([A-Z2-7]{20,}|[\w-]{40,}\.[\w-]{40,})$/.test(token)
  if (invited) history.replaceState(null, "", "/") // nobody finds it in the history
  try {
    session = invited ? await redeem(token) : await get("/v1/login")
    begin()
  } catch (error) {
    leave(error instanceof Refused && error.status === 401 && !invited ? null : error)
  }
}

// redeem logs in, unless that was done before with the same link.
async function redeem(token) {
  try {
    return await post("/v1/login", { token })
  } catch (error) {
    return get("/v1/login").catch(() => { throw error })
  }
}

function leave(error) {
  session = pass = null
  show("view", false)
  show("who", false)
  show("login", true)
  trouble(error)
  $("token").focus()
}

function begin() {
  trouble(null)
  show("login", false)
  show("view", true)
  show("who", true)
  show("install-may", session.role === "admin")
  $("user").textContent = `${session.user} (${session.role})`
  post("/v1/login/elsewhere").then((p) => { pass = p.token }, () => { pass = null }) // without it they ask for a login
  refresh()
}

async function look() {
  [status, cluster] = await Promise.all([get("/v1/status"), get("/v1/cluster")])
  heard = new Date()
  draw()
  if (new FormData($("log-filter")).get("live")) await readLog()
}

function draw() {
  const may = { move: session.role !== "monitor", configure: session.role === "admin" }
  $("title").textContent = `Cluster ${cluster.name}`
  document.title = `${cluster.name} – orchestrator`
  $("where").textContent = `seen from ${cluster.node}, version ${status.version}`
  fill($("others"), view.links(cluster))
  fill($("module-list"), status.modules.length ? status.modules.map((m) => view.module(m, may)) :
    h("p", null, "No module is installed: orchestrator module install"))
  fill($("server-list"), view.servers(cluster))
  const filter = $("log-filter").elements
  options(filter.node, cluster.nodes.map((n) => n.name), cluster.node)
  options(filter.module, ["", ...status.modules.map((m) => m.name)], "")
}

// options are the choices of a select; the choice of the reader stays.
function options(select, names, first) {
  const chosen = select.options.length ? select.value : first
  fill(select, names.map((n) => h("option", { value: n }, n || "all")))
  select.value = names.includes(chosen) ? chosen : first
}

async function readLog() {
  const filter = new FormData($("log-filter")), query = new URLSearchParams()
  for (const name of ["module", "type", "grep"]) if (filter.get(name)) query.set(name, filter.get(name))
  const asked = of(filter.get("node") || cluster.node, `log?${query}`)
  const last = asked === log.asked ? log.entries.at(-1)?.id ?? 0 : 0
  const fresh = await lines(`${asked}&limit=${kept}${last ? `&after=${last}` : ""}`)
  if (asked === log.asked && fresh.length === 0) return
  log = { asked, entries: [...(last ? log.entries : []), ...fresh].slice(-kept) }
  fill($("log-box"), view.entries(log.entries))
}

// refresh looks now, and again as long as somebody is logged in and looks.
let running = false, again = false
async function refresh() {
  again = true
  if (running) return
  running = true
  while (session && again) {
    again = false
    try {
      if (!document.hidden) await look()
      trouble(null)
    } catch (error) {
      if (error instanceof Refused && error.status === 401) leave(error)
      else if (error instanceof Refused) trouble(error)
      else trouble(new Error(`${cluster?.node ?? "The server"} has not answered since ${heard.toLocaleTimeString()}; what is shown is old.`))
    }
    if (session && !again) await pause()
    again = true
  }
  running = false
}

let wake = () => {}
const pause = () => new Promise((resolve) => {
  wake = resolve
  setTimeout(resolve, every)
})

// ask shows a dialog and answers whether its deed was chosen. Without a deed there is
// only something to read.
function ask(title, text, deed) {
  const dialog = $("ask")
  $("ask-title").textContent = title
  fill($("ask-text"), text)
  $("ask-no").textContent = deed ? "Cancel" : "Close"
  $("ask-yes").textContent = deed ?? ""
  show("ask-yes", deed != null)
  dialog.returnValue = ""
  dialog.showModal()
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }))
}

async function act({ verb, module: name, node }) {
  const module = status.modules.find((m) => m.name === name)
  const what = `${verbs[verb].label} ${name} ${node ? `on ${node}` : "on all servers"}`
  const text = warning(verb, module, node)
  if (text && !(await ask(`${what}?`, text.split("\n").map((t) => h("p", null, t)), verbs[verb].label))) return
  say(`${what} …`)
  const waking = setInterval(() => wake(), 500) // show how it goes
  try {
    let out = {}
    for (const [path, body] of calls(verb, node)) out = await post(`/v1/modules/${encodeURIComponent(name)}/${path}`, body)
    if (verb === "verify") out.text = verified(out)
    say([`${what}: ${out.nodes ? "" : out.text ?? ""}`, ...(out.nodes ?? []).map((n) => `${n.node}: ${n.idle ? "skipped" : n.ok ? "done" : "failed"}${n.state ? `, ${n.state}` : ""}${n.text ? ` (${n.text})` : ""}`)].join("\n"))
  } catch (error) {
    say(`${what}: ${error.message}`)
  } finally {
    clearInterval(waking)
    wake()
  }
}

const verified = (v) => v.complete ? v.different > 0 ? `${v.different} files differ` : `the same, ${v.files} files` : `broken off, ${v.error}`

$("install-open").addEventListener("click", () => install.open().catch((error) => say(`Install a module: ${error.message}`)))

async function configure(name) {
  try {
    await config.open(name)
  } catch (error) {
    say(`Configuration of ${name}: ${error.message}`)
  }
}

async function tell(title, path, text) {
  try {
    await ask(title, text(await get(path)), null)
  } catch (error) {
    say(`${title}: ${error.message}`)
  }
}

document.addEventListener("click", (event) => {
  const elsewhere = event.target.closest("a[data-console]")
  if (elsewhere && pass) {
    event.preventDefault()
    location.assign(`${elsewhere.href}#${pass}`) // only now: a link that is copied opens nothing
  }
  const data = event.target.closest("button")?.dataset
  if (!data) return
  const name = encodeURIComponent(data.module ?? data.why ?? "")
  if (data.verb) act(data)
  else if (data.configure) configure(data.configure)
  else if (data.why) tell(`Why ${data.why} on ${data.node} is as it is`, of(data.node, `why/${name}`), (w) => h("pre", null, w.text))
  else if (data.history) tell(`${data.history} of ${data.module} on ${data.node}`, of(data.node, `modules/${name}/history?resource=${encodeURIComponent(data.history)}`), view.history)
})

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault()
  try {
    session = await post("/v1/login", { token: $("token").value.trim() })
    event.target.reset()
    begin()
  } catch (error) {
    trouble(error)
  }
})

$("logout").addEventListener("click", async () => {
  try {
    await remove("/v1/login")
  } finally {
    leave(null)
  }
})

$("log-filter").addEventListener("submit", (event) => event.preventDefault())
$("log-filter").addEventListener("input", () => readLog().catch((error) => say(`Log: ${error.message}`)))
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake() })

window.addEventListener("hashchange", () => { if (location.hash.length > 20) enter() }) // a link was opened in this very tab

enter()

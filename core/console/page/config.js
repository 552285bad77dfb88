// The configuration of a module: its files, what a change would do, and those of before.
import { fill, h, table, when } from "/console/dom.js"
import { get, post, put, text } from "/console/api.js"

const $ = (id) => document.getElementById(id)
const path = (name, rest) => `/v1/modules/${encodeURIComponent(name)}/${rest}`
const file = (name, f) => path(name, `files/${f.split("/").map(encodeURIComponent).join("/")}`)

let module = "", shown = "", saved = ""

const field = () => $("edit-text")
const dirty = () => shown !== "" && field().value !== saved
const told = (...children) => fill($("edit-told"), ...children)

// open shows the configuration of a module; nothing of it changes before that is asked for.
export async function open(name) {
  module = name
  shown = saved = field().value = ""
  told()
  $("edit-stop").checked = false
  $("edit-title").textContent = `Configuration of ${name}`
  const files = (await get(path(name, "files"))).filter((f) => f.text)
  fill($("edit-file"), files.map((f) => h("option", { value: f.path }, f.path)))
  await macros()
  await load(files.some((f) => f.path === "conf/userconfig.xml") ? "conf/userconfig.xml" : files[0]?.path)
  await versions()
  $("edit").showModal()
  field().focus()
  field().setSelectionRange(0, 0)
}

async function load(name) {
  if (!name) return
  saved = await text(file(module, name))
  $("edit-file").value = shown = name
  field().value = saved
}

async function macros() {
  const info = (await get("/v1/modules")).find((m) => m.name === module)
  fill($("edit-set"), Object.entries(info?.set ?? {}).sort().map(([name, value]) =>
    h("label", { "data-key": name }, `${name} `, h("input", { name, value, "data-was": value, autocomplete: "off" }))))
}

async function versions() {
  const list = await get(path(module, "versions"))
  fill($("edit-versions"), table(`Configurations of ${module}`, ["Version", "Applied", "By", ""], list.map((v) => h("tr", { "data-key": v.version },
    h("th", { scope: "row" }, v.version), h("td", null, when(v.applied)), h("td", null, v.by),
    h("td", { class: "buttons" }, v.back === 0 ? "in use" : [
      h("button", { type: "button", "data-compare": v.version, "aria-label": `Compare with version ${v.version}` }, "Compare"),
      h("button", { type: "button", "data-back": v.version, "aria-label": `Set back to version ${v.version}` }, "Set back")])))))
}

// changedMacros are the values that somebody changed, as the API takes them.
const changedMacros = () => [...$("edit-set").querySelectorAll("input")].filter((i) => i.value !== i.dataset.was)
  .map((i) => ["set", `${i.name}=${i.value}`])

async function save() {
  if (!dirty()) return
  await put(file(module, shown), field().value)
  saved = field().value
}

const tones = { none: "faint", live: "good", check: "good", stopstart: "busy", stop: "bad" }

function changes(list) {
  return table("What changes", ["What", "Before", "After", "Effect"], list.map((c) => h("tr", null,
    h("th", { scope: "row" }, c.path), h("td", null, excerpt(c.old)), h("td", null, excerpt(c.new)),
    h("td", { class: tones[c.effect] }, c.effect, c.why ? ` (${c.why})` : ""))))
}

const excerpt = (t) => !t ? "–" : t.includes("\n") ? `${t.split("\n").length} lines` : t

function verdict(d) {
  const on = (d.running ?? []).map((r) => r.node).join(", ")
  if (d.changes.length === 0) return "Nothing changes."
  if (!on) return `${d.module} is stopped everywhere: nothing has to be.`
  if (!d.stops) return `Nothing stops: ${d.module} goes on on ${on}.`
  return d.effect === "stopstart" ? `${d.module} has to be stopped and started on ${on}, one after the other.` :
    `${d.module} has to be stopped on ${on}, all together, and started again: the service is interrupted.`
}

// problems shows mistakes and warnings with their places.
export const problems = (list) => (list ?? []).map((p) => h("pre", { class: p.severity === "error" ? "bad" : "busy" },
  `${[p.position?.file, p.position?.line, p.position?.column].filter(Boolean).join(":")}: ${p.severity}: ${p.message}`,
  p.source ? `\n    ${p.source}\n    ${" ".repeat(Math.max(0, (p.position?.column ?? 1) - 1))}^` : "", p.hint ? `\n  ${p.hint}` : ""))

async function diff(query) {
  const d = await post(path(module, `diff?${new URLSearchParams(query)}`))
  told(problems(d.problems), d.changes.length ? changes(d.changes) : "", h("p", null, verdict(d)))
}

const stopping = () => $("edit-stop").checked

async function done(out) {
  const failed = (out.nodes ?? []).filter((n) => n.text)
  told(h("p", { class: failed.length ? "busy" : "good" }, out.text), problems(out.warnings), failed.map((n) => h("p", null, `${n.node}: ${n.text}`)))
  await macros()
  await versions()
  await load(shown)
}

const deeds = {
  check: async () => { await save(); await diff(changedMacros()) },
  apply: async () => {
    await save()
    await done(await post(path(module, `apply?${new URLSearchParams([...changedMacros(), ["stopstart", stopping()]])}`)))
  },
  compare: (version) => diff([["version", version]]),
  back: async (version) => done(await post(path(module, "rollback"), { version, stopstart: stopping() })),
}

// act does one thing at a time, and tells what went wrong.
async function act(deed, ...args) {
  const buttons = $("edit").querySelectorAll("button")
  told("…")
  buttons.forEach((b) => { b.disabled = true })
  try {
    await deeds[deed](...args)
  } catch (error) {
    told(h("p", { class: "bad" }, error.title ?? error.message), problems(error.problems))
  } finally {
    buttons.forEach((b) => { b.disabled = false })
  }
}

const leaves = () => !dirty() || confirm(`${shown} is changed and not saved. Leave it?`)

$("edit").addEventListener("cancel", (event) => { if (!leaves()) event.preventDefault() })
$("edit").addEventListener("close", () => { shown = "" })
$("edit-close").addEventListener("click", () => { if (leaves()) $("edit").close() })
$("edit-check").addEventListener("click", () => act("check"))
$("edit-apply").addEventListener("click", () => act("apply"))
$("edit-versions").addEventListener("click", (event) => {
  const data = event.target.closest("button")?.dataset
  if (data?.compare) act("compare", data.compare)
  if (data?.back && leaves() && confirm(`Give all servers version ${data.back} of ${module} again?`)) act("back", data.back)
})
$("edit-file").addEventListener("change", async () => {
  const next = $("edit-file").value
  if (!leaves()) {
    $("edit-file").value = shown
    return
  }
  try {
    await load(next)
  } catch (error) {
    told(h("p", { class: "bad" }, error.message))
  }
})

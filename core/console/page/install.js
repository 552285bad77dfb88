// A new module: one that comes with the product, or an archive.
import { fill, h } from "/console/dom.js"
import { get, post } from "/console/api.js"
import { problems } from "/console/config.js"

const $ = (id) => document.getElementById(id)
const told = (...children) => fill($("install-told"), ...children)

let shipped = []

// open asks for a module, and where it is to be reached.
export async function open() {
  shipped = await get("/v1/shipped")
  fill($("install-from"), shipped.map((m) => h("option", { value: m.name }, `${m.name} (${m.mode})`)), h("option", { value: "" }, "an archive (.safe)"))
  $("install-form").reset()
  told()
  choose()
  $("install").showModal()
}

// choose shows what can be set in the module that was chosen. Of an archive nobody knows that
// before it is read: what is missing is told then.
function choose() {
  const m = shipped.find((s) => s.name === $("install-from").value)
  $("install-file-label").hidden = m != null
  $("install-file").required = m == null
  $("install-name").value = m?.name ?? ""
  fill($("install-set"), m ? (m.macros ?? []).map((x) => h("p", { "data-key": `${m.name} ${x.name}` }, h("label", null, `${x.name} `,
    h("input", { name: x.name, value: x.value, "data-was": x.value, required: x.required, autocomplete: "off" })), h("span", { class: "faint" }, x.doc))) :
    h("p", { "data-key": "lines" }, h("label", null, "Values, one a line, NAME=VALUE ", h("textarea", { name: "lines", rows: "3", spellcheck: "false" }))))
}

// settings are the values that differ from the defaults, as the API takes them.
function settings() {
  const lines = $("install-set").querySelector("textarea")
  if (lines) return lines.value.split("\n").map((l) => l.trim()).filter(Boolean).map((l) => ["set", l])
  return [...$("install-set").querySelectorAll("input")].filter((i) => i.value !== i.dataset.was).map((i) => ["set", `${i.name}=${i.value}`])
}

async function install() {
  const from = $("install-from").value, archive = $("install-file").files[0]
  const name = $("install-name").value.trim() || archive?.name.replace(/\.(safe|zip)$/, "")
  const query = new URLSearchParams(settings())
  if (from) query.set("builtin", from)
  $("install-yes").disabled = true
  told("…")
  try {
    const out = await post(`/v1/modules/${encodeURIComponent(name)}?${query}`, from ? undefined : archive)
    told(h("p", { class: "good" }, out.text), problems(out.warnings), (out.nodes ?? []).filter((n) => n.text).map((n) => h("p", null, `${n.node}: ${n.text}`)),
      out.next ? h("pre", null, out.next) : "")
  } catch (error) {
    told(h("p", { class: "bad" }, error.title ?? error.message), problems(error.problems))
  } finally {
    $("install-yes").disabled = false
  }
}

$("install-from").addEventListener("change", choose)
$("install-close").addEventListener("click", () => $("install").close())
$("install-form").addEventListener("submit", (event) => {
  event.preventDefault()
  install()
})

// The HTTP API of this server.

// Refused is an answer that says no; status 401 asks for a login.
export class Refused extends Error {
  constructor(status, title, problems = []) {
    super([title, ...problems.map((p) => `${[p.position?.file, p.position?.line, p.position?.column].filter(Boolean).join(":")}: ${p.message}`)].join("\n"))
    Object.assign(this, { status, title, problems })
  }
}

// raw says that a body is sent as it is: none, a text or a file.
const raw = (body) => body === undefined || typeof body === "string" || body instanceof Blob

async function ask(method, path, body, limit) {
  const answer = await fetch(path, {
    method, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(limit),
    body: raw(body) ? body : JSON.stringify(body),
    headers: raw(body) ? {} : { "Content-Type": "application/json" },
  })
  if (answer.ok) return answer
  let failure = {}
  try {
    failure = await answer.json()
  } catch { /* not from the API: the status says it */ }
  throw new Refused(answer.status, failure.error ?? `${answer.status} ${answer.statusText}`, failure.problems)
}

const soon = 8000, patient = 900000 // ms; a module may take minutes to stop and start

export const get = async (path) => (await ask("GET", path, undefined, soon)).json()
export const post = async (path, body) => (await ask("POST", path, body, patient)).json()
export const put = async (path, text) => (await ask("PUT", path, text, soon)).json()
export const text = async (path) => (await ask("GET", path, undefined, soon)).text()
export const remove = async (path) => (await ask("DELETE", path, undefined, soon)).json()

// lines reads an answer of one JSON object a line.
export async function lines(path) {
  const text = await (await ask("GET", path, undefined, soon)).text()
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line))
}

// of is the path of something on a server.
export const of = (node, path) => `/v1/nodes/${encodeURIComponent(node)}/${path}`

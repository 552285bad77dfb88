// The HTTP API of this server.

// Refused is an answer that says no; status 401 asks for a login.
export class Refused extends Error {
  constructor(status, text) {
    super(text)
    this.status = status
  }
}

async function ask(method, path, body, limit) {
  const answer = await fetch(path, {
    method, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(limit),
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
  })
  if (answer.ok) return answer
  let text = `${answer.status} ${answer.statusText}`
  try {
    const failure = await answer.json()
    text = [failure.error, ...(failure.problems ?? []).map((p) => p.text ?? "")].filter(Boolean).join("\n")
  } catch { /* not from the API: the status says it */ }
  throw new Refused(answer.status, text)
}

const soon = 8000, patient = 200000 // ms

export const get = async (path) => (await ask("GET", path, undefined, soon)).json()
export const post = async (path, body) => (await ask("POST", path, body ?? {}, patient)).json()
export const remove = async (path) => (await ask("DELETE", path, undefined, soon)).json()

// lines reads an answer of one JSON object a line.
export async function lines(path) {
  const text = await (await ask("GET", path, undefined, soon)).text()
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line))
}

// of is the path of something on a server.
export const of = (node, path) => `/v1/nodes/${encodeURIComponent(node)}/${path}`

// Requests to the service.

import { keyHeader } from "./key.js";
import { Problem } from "./problem.js";

/** Sends a request; throws a `Problem` unless it succeeds. */
export async function send(path, { body, accept = "application/json", signal } = {}) {
  const headers = { accept, ...keyHeader() };
  if (body) headers["content-type"] = "application/json";
  let response;
  try {
    const method = body ? "POST" : "GET";
    response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    throw error.name === "AbortError" ? error : Problem.unreachable();
  }
  if (!response.ok) throw await Problem.of(response);
  return response;
}

export const json = async (path, options) => (await send(path, options)).json();

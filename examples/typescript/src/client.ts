// A typed client: the routes and types are generated from openapi.yaml, so that a wrong field is
// an error of the compiler.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];
export type Explained = Schemas["Explained"];

// The other formats of POST /explain are not JSON.
type MediaType = "application/json" | "application/problem+json";

export function connect(url: string, key?: string) {
  return createClient<paths, MediaType>({
    baseUrl: url,
    ...(key ? { headers: { Authorization: `Bearer ${key}` } } : {}),
  });
}

export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

/** The data of a response; throws its problem if it has one. */
export function data<T>(
  response: { data: T; error?: never } | { data?: never; error: Problem },
): T {
  if (response.error !== undefined) throw new ProblemError(response.error);
  return response.data;
}

/** The explanation of one input of a list; throws its problem if it failed. */
export function explained(item: Schemas["ExplainItem_Problem"]): Explained {
  if ("error" in item) throw new ProblemError(item.error);
  return item;
}

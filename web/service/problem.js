// Errors of the service, in its own words.

/** A problem (RFC 9457): `detail` says what to change, and `pointer` where. */
export class Problem extends Error {
  constructor(body) {
    super(body.detail ?? body.title);
    Object.assign(this, body);
  }

  static async of(response) {
    const body = await response.json().catch(() => ({}));
    return new Problem({ status: response.status, title: response.statusText, ...body });
  }

  static unreachable() {
    return new Problem({ status: 0, code: "unreachable" });
  }
}

const FIELDS = [
  [/^\/inputs(\/\d+)?\/text_pair/, "pair"],
  [/^\/inputs/, "text"],
  [/^\/model/, "model"],
  [/^\/methods/, "methods"],
  [/^\/target/, "target"],
  [/^\/output/, "target"],
];

/** The field of the form that a problem is about; undefined if none. */
export function fieldOf(problem) {
  return FIELDS.find(([pattern]) => pattern.test(problem?.pointer ?? ""))?.[1];
}

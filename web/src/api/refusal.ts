/** Why something was not done, as the server says it: see docs/reference/errors.md. */
export interface Refusal {
  code: string;
  object: string;
  cause: string;
  remedy?: string;
}

/** A refusal that was thrown, with the status it came with; 0 where the server was not reached. */
export class RefusalError extends Error {
  readonly refusal: Refusal;
  readonly status: number;

  constructor(refusal: Refusal, status: number) {
    super(`${refusal.object}: ${refusal.cause}`);
    this.name = "RefusalError";
    this.refusal = refusal;
    this.status = status;
  }
}

function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "code" in value && "cause" in value && "object" in value;
}

/** What to show for anything that can be thrown. */
export function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof RefusalError) return thrown.refusal;
  if (thrown instanceof TypeError) {
    return {
      code: "server.unreachable",
      object: "the server",
      cause: "it cannot be reached",
      remedy: "Look at the connection; the console tries again by itself",
    };
  }
  return { code: "internal", object: "the console", cause: thrown instanceof Error ? thrown.message : String(thrown) };
}

/** The refusal in an answer that is none of ours (a proxy's page, say), or in one of ours. */
export function refusalFrom(body: unknown, status: number): Refusal {
  if (isRefusal(body)) return body;
  return { code: `http.${status}`, object: "the server", cause: `it answered ${status}, and not in its own words` };
}

import { isAxiosError, type AxiosError, type AxiosResponse } from "axios";
import { z } from "zod";

/** Codes that the memories' routes answer; others may come, as from what stands in front. */
export type ProblemCode =
  | "INVALID_REQUEST"
  | "INVALID_KEY"
  | "FORBIDDEN"
  | "MEMORY_NOT_FOUND"
  | "AUDIO_NOT_FOUND"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "INTERNAL_ERROR"
  | "UNAVAILABLE"
  | (string & {});

/** Checks the body of an error: Problem Details (RFC 9457) with the members of this API. */
export const ProblemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.custom<ProblemCode>((code) => typeof code === "string"),
  request_id: z.string(),
  error: z.union([z.string(), z.object({ code: z.string(), message: z.string() })]),
});

/**
 * What went wrong. `status` is the HTTP status, `detail` a sentence for people, `code` the name to
 * decide by, `request_id` what the server's log line has too. `error` is `{ code, message }` from
 * the memories' routes and the sentence from all others. More members may stand beside these.
 */
export type Problem = z.infer<typeof ProblemSchema>;

/** The error that axios throws for an answer whose body is a {@link Problem}. */
export type ProblemError = AxiosError<Problem> & { response: AxiosResponse<Problem> };

/** Whether the API refused or failed with a {@link Problem}, at `error.response.data`. */
export function isProblem(error: unknown): error is ProblemError {
  return problemOf(error) !== undefined;
}

/**
 * The {@link Problem} in whatever was thrown. Undefined for a time-out, a broken connection, an
 * error that the gateway made itself, and anything that isn't axios's.
 */
export function problemOf(error: unknown): Problem | undefined {
  return isAxiosError(error) ? ProblemSchema.safeParse(error.response?.data).data : undefined;
}

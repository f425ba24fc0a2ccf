import type { AxiosResponse } from "axios";

/** What the memories' routes answer; not known to be so before a schema took its `data`. */
export type Envelope = { data?: unknown } | null;

/** The answer's `data`; undefined if it has none, which is for schemas to refuse. */
export function dataIn(response: AxiosResponse<Envelope>): unknown {
  return response.data?.data;
}

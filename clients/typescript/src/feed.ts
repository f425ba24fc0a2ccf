import { z } from "zod";

import { REQUEST_TIMEOUT_MS, getApi } from "./api.js";
import { ProcessingStatusSchema } from "./audio.js";
import { type Envelope, dataIn } from "./envelope.js";

const MomentSchema = z.iso.datetime({ offset: true });

/** Checks a recording in the feed. */
export const MemorySchema = z.object({
  memory_id: z.string(),
  start_time: MomentSchema,
  end_time: MomentSchema,
  duration_seconds: z.number(),
  windows: z.int(),
  processing_status: ProcessingStatusSchema,
  transcript: z.string().nullable(),
});

/**
 * A recording, made of `windows` memories. Times are ISO 8601, from the first window's start to the
 * last one's end; `duration_seconds` is how much there is to hear in between. The status is
 * `pending` if any window is, else `failed` if any is. `transcript` holds the beginning of what was
 * said, null if nothing was transcribed.
 */
export type Memory = z.infer<typeof MemorySchema>;

/** What to list; what is left out, undefined or null doesn't narrow it. */
export interface ListMemoriesParams {
  /** How many memories there are on a page: 1 to 100, else 20. */
  limit?: number | null | undefined;
  /** The `next_cursor` of the page before. */
  cursor?: string | null | undefined;
  /** Words of the transcript, "a phrase", -without, this or that. At most 200 characters. */
  search?: string | null | undefined;
}

/** `next_cursor` is null on the last page. */
export const ListMemoriesResponseSchema = z.object({
  memories: z.array(MemorySchema),
  next_cursor: z.string().nullable(),
});
export type ListMemoriesResponse = z.infer<typeof ListMemoriesResponseSchema>;

/** `memory_id` is a session's id, which stands for all its windows, or a single memory's own. */
export interface DeleteMemoryParams {
  memory_id: string;
}

/** `deleted` is how many windows were removed. */
export const DeleteMemoryResponseSchema = z.object({ deleted: z.int() });
export type DeleteMemoryResponse = z.infer<typeof DeleteMemoryResponseSchema>;

/**
 * Returns a page of the caller's memories, newest first.
 *
 * @throws AxiosError with a {@link Problem}: INVALID_REQUEST for a parameter that can't be,
 *   INVALID_KEY, FORBIDDEN, UNAVAILABLE; with code ECONNABORTED after 120 s.
 * @throws ZodError if the answer has another shape.
 */
export async function listMemories(params: ListMemoriesParams = {}): Promise<ListMemoriesResponse> {
  const response = await getApi().get<Envelope>("/memories", {
    params,
    timeout: REQUEST_TIMEOUT_MS,
  });
  return ListMemoriesResponseSchema.parse(dataIn(response));
}

/**
 * Removes a memory and its audio for good.
 *
 * @throws AxiosError with a {@link Problem}: MEMORY_NOT_FOUND for one that isn't the caller's or is
 *   gone, INVALID_KEY, FORBIDDEN, UNAVAILABLE; with code ECONNABORTED after 120 s.
 * @throws ZodError if the answer has another shape.
 */
export async function deleteMemory({
  memory_id,
}: DeleteMemoryParams): Promise<DeleteMemoryResponse> {
  const response = await getApi().delete<Envelope>(`/memories/${encodeURIComponent(memory_id)}`, {
    timeout: REQUEST_TIMEOUT_MS,
  });
  return DeleteMemoryResponseSchema.parse(dataIn(response));
}

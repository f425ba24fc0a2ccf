import { z } from "zod";

import { REQUEST_TIMEOUT_MS, getApi } from "./api.js";
import { type Envelope, dataIn } from "./envelope.js";

/** `memory_id` is a session's id, which stands for its first window, or a single memory's own. */
export interface GetMemoryAudioParams {
  memory_id: string;
}

/** `memory_id` is a session's id, which stands for its first window, or a single memory's own. */
export interface GetMemoryAudioMetadataParams {
  memory_id: string;
}

/** Where a memory is on its way: its audio can be had when it is `complete`. */
export const ProcessingStatusSchema = z.enum(["complete", "pending", "failed"]);
export type ProcessingStatus = z.infer<typeof ProcessingStatusSchema>;

/** `presigned_url` has the WAV file and lives for an hour; it takes `Range`, and no other key. */
export const GetMemoryAudioResponseSchema = z.object({
  presigned_url: z.url({ protocol: /^https?$/ }), // it goes into players: no javascript: or data:
});
export type GetMemoryAudioResponse = z.infer<typeof GetMemoryAudioResponseSchema>;

/** `duration_seconds` is the length of the audio in seconds. */
export const GetMemoryAudioMetadataResponseSchema = z.object({
  duration_seconds: z.number(),
  processing_status: ProcessingStatusSchema,
  error: z.string().optional(),
});
export type GetMemoryAudioMetadataResponse = z.infer<typeof GetMemoryAudioMetadataResponseSchema>;

/**
 * Asks where the audio of a memory is, which should be `complete` by its metadata.
 *
 * @throws AxiosError with a {@link Problem}: INVALID_REQUEST for a blank `memory_id`,
 *   MEMORY_NOT_FOUND for one that isn't the caller's, AUDIO_NOT_FOUND for a memory without audio,
 *   INVALID_KEY, FORBIDDEN, UNAVAILABLE; see {@link problemOf}.
 * @throws AxiosError with code ECONNABORTED after 120 s.
 * @throws ZodError if the answer has no URL, as for a memory that is `pending` or `failed`.
 */
export async function getMemoryAudio({
  memory_id,
}: GetMemoryAudioParams): Promise<GetMemoryAudioResponse> {
  const response = await getApi().post<Envelope>(
    "/memories/audio",
    { memory_id },
    { timeout: REQUEST_TIMEOUT_MS },
  );
  return GetMemoryAudioResponseSchema.parse(dataIn(response));
}

/**
 * Asks how long a memory is and whether its audio is ready.
 *
 * @throws AxiosError as {@link getMemoryAudio} does.
 * @throws ZodError if the answer has another shape.
 */
export async function getMemoryAudioMetadata({
  memory_id,
}: GetMemoryAudioMetadataParams): Promise<GetMemoryAudioMetadataResponse> {
  const response = await getApi().post<Envelope>(
    "/memories/audio-metadata",
    { memory_id },
    { timeout: REQUEST_TIMEOUT_MS },
  );
  return GetMemoryAudioMetadataResponseSchema.parse(dataIn(response));
}

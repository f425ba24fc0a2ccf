import axios, { type AxiosInstance } from "axios";

/**
 * How long a request may take, in milliseconds: as long as the function may, which may have to
 * start, and to wake its database.
 */
export const REQUEST_TIMEOUT_MS = 120_000;

/** Where the HTTP API is, and who calls it: one of `apiKey` and `token`. */
export type ApiOptions = {
  /** The API's address: the stack's output `HttpUrl`, or `http://localhost:8000`. */
  baseURL: string;
} & (
  | {
      /** Goes into the header `x-api-key`. For servers: whoever has it is the user. */
      apiKey: string;
      token?: never;
    }
  | {
      /** A JSON Web Token, for `Authorization: Bearer`. Configure anew when it was renewed. */
      token: string;
      apiKey?: never;
    }
);

let api: AxiosInstance | undefined;

/** Sets where all functions of this module send their requests; a later call replaces it. */
export function configureApi(options: ApiOptions): void {
  api = axios.create({
    baseURL: options.baseURL,
    headers:
      options.apiKey === undefined
        ? { authorization: `Bearer ${options.token}` }
        : { "x-api-key": options.apiKey },
    redact: ["authorization", "x-api-key"], // of an error's JSON, which ends in logs
    maxRedirects: 0, // these routes have none, and a key must not follow one to another host
  });
}

/**
 * The axios instance behind all functions of this module, for interceptors and further routes.
 * Presigned URLs are fetched without it: S3 answers 400 to a second credential.
 *
 * @throws Error if `configureApi` was never called.
 */
export function getApi(): AxiosInstance {
  if (api === undefined) throw new Error("Call configureApi({ baseURL, apiKey }) first");
  return api;
}

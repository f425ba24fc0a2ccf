import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Address } from "./setup.js";
import { PYTHON, ROOT } from "./project.js";

const run = promisify(execFile);
const SAMPLE = join(ROOT, "local/samples/speech.wav");

/** The sample's samples: 7.1 s of 16 kHz mono, as memories are. */
export async function sampleAudio(): Promise<Buffer> {
  return readWav(await readFile(SAMPLE)).samples;
}

/** Streams the sample into a session of the key's user, and returns the session's id. */
export async function streamSample({ ws_url, api_key }: Address): Promise<string> {
  const { stdout } = await run(
    PYTHON,
    ["-m", "audio_client", "stream", "--json", "--no-wait", SAMPLE],
    {
      cwd: join(ROOT, "clients/python"),
      env: { ...process.env, AUDIO_URL: `${ws_url}/api`, AUDIO_API_KEY: api_key },
    },
  );
  return (JSON.parse(stdout) as { session_id: string }).session_id;
}

/** A WAV file's form and samples. Throws if it is anything but plain PCM with its header in front. */
export function readWav(file: Buffer) {
  const wav = { id: file.toString("latin1", 0, 4), form: file.toString("latin1", 8, 16) };
  if (wav.id !== "RIFF" || wav.form !== "WAVEfmt ") throw new Error(`No WAV: ${wav.id}`);
  const data = file.indexOf("data", 36, "latin1");
  return {
    format: file.readUInt16LE(20),
    channels: file.readUInt16LE(22),
    sampleRate: file.readUInt32LE(24),
    bits: file.readUInt16LE(34),
    samples: file.subarray(data + 8, data + 8 + file.readUInt32LE(data + 4)),
  };
}

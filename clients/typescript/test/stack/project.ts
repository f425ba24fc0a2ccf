import { resolve } from "node:path";

/** The checkout, whose stack is under test. */
export const ROOT = resolve(import.meta.dirname, "../../../..");

/** A Python with the project's requirements. */
export const PYTHON = process.env["PYTHON"] ?? resolve(ROOT, ".venv/bin/python");

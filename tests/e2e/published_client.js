// The JavaScript client that seed 001 published, as a page has it, run under Node:
//   node published_client.js ws://localhost:8000/api audio.wav
// It takes the session's id from the first answer, sends binary chunks without waiting for answers,
// and closes the session with a control message.
const { readFileSync } = require("node:fs");

const [base, file] = process.argv.slice(2);
const audio = readFileSync(file);
const ws = new WebSocket(`${base}/ws/audio?sample_rate=48000&channels=2&user_id=user123`);
let sessionId = null;

function sendAudioChunk(buffer) {
  if (ws.readyState === WebSocket.OPEN) ws.send(new Uint8Array(buffer));
}

ws.onopen = () => {
  for (let at = 0; at < audio.length; at += 16384) sendAudioChunk(audio.subarray(at, at + 16384));
  ws.send(JSON.stringify({ type: "control", action: "close_session" }));
};

ws.onmessage = (event) => {
  const response = JSON.parse(event.data);
  if (response.session_id && !sessionId) sessionId = response.session_id;
  if (response.message === "Session closed successfully") ws.close();
};

ws.onerror = (error) => {
  console.error("WebSocket error:", error.message);
  process.exitCode = 1;
};

ws.onclose = (event) => console.log(event.code, sessionId);

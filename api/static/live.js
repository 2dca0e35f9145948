// A camera, live: pieces are fetched one after the other and given to the player; how far behind it is, is measured.
//
// What is shown is placed by the recorder's clock, and "now" is the server's, told with each answer: this machine's own
// clock counts for nothing. A piece that does not come, a gap of the recorder, an end: each is said over the picture.

const live = document.getElementById("live");
const video = document.getElementById("video");
const clock = document.getElementById("clock");
const delay = document.getElementById("delay");
const state = document.getElementById("state");
const view = `/live/views/${live.dataset.view}`;
const texts = Object.fromEntries([...document.querySelectorAll("#causes li")].map((li) => [li.dataset.code, li.textContent]));
const hall = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium" });

const KEEP_S = 20;
const FAR_S = 0.8;
const NEAR_S = 0.15;
const LATE_MS = 3000;
const source = new MediaSource();
const places = []; // where each group stands in the film, and when it was recorded
let buffer = null;
let server = null; // its time, and ours when it told
let after = 0;
let over = false;
let came = performance.now();

const say = (code) => {
  state.hidden = !code;
  state.textContent = code ? texts[code] ?? texts.over : "";
};

const serverUs = () => server.us + (performance.now() - server.at) * 1000;
const shownUs = () => {
  const place = places.findLast((one) => one.at <= video.currentTime + 0.001);
  return place ? place.us + (video.currentTime - place.at) * 1e6 : null;
};

const done = () => new Promise((resolve, reject) => {
  buffer.addEventListener("updateend", resolve, { once: true });
  buffer.addEventListener("error", reject, { once: true });
});

const begin = async (header, body) => {
  if (!buffer) {
    buffer = source.addSourceBuffer(header.mime);
  } else {
    buffer.changeType(header.mime);
  }
  buffer.appendBuffer(body);
  await done();
};

/** The newest group is what is live: whoever has fallen behind goes there, by a little haste or by a step. */
const catchUp = (at) => {
  const behind = at - video.currentTime;
  if (behind > FAR_S || video.currentTime > at + 60) video.currentTime = at;
  video.playbackRate = behind > NEAR_S ? 1.1 : 1;
  if (video.paused) video.play().catch(() => {});
};

const show = async (header, body) => {
  if (!buffer) return;
  buffer.appendBuffer(body);
  await done();
  places.push({ at: header.at_s, us: header.since_us });
  while (places.length > 2 * KEEP_S) places.shift();
  came = performance.now();
  say(null);
  catchUp(header.at_s);
  if (header.at_s > 2 * KEEP_S && buffer.buffered.length && buffer.buffered.start(0) < header.at_s - KEEP_S) {
    buffer.remove(0, header.at_s - KEEP_S);
    await done();
  }
};

const parts = function* (bytes) {
  const words = new TextDecoder();
  for (let at = 0; at < bytes.length;) {
    const line = bytes.indexOf(10, at);
    const header = JSON.parse(words.decode(bytes.subarray(at, line)));
    const end = line + 1 + (header.bytes ?? 0);
    yield [header, bytes.slice(line + 1, end)];
    at = end;
  }
};

const finish = (code) => {
  over = true;
  say(code in texts ? code : "over");
};

const next = async () => {
  const answer = await fetch(`${view}/next?after=${after}`, { cache: "no-store" });
  if (answer.status === 403 || answer.status === 404) return finish(answer.status === 403 ? "right" : "over");
  if (!answer.ok) throw new Error(String(answer.status));
  server = { us: Number(answer.headers.get("X-Now")), at: performance.now() };
  for (const [header, body] of parts(new Uint8Array(await answer.arrayBuffer()))) {
    if (header.kind === "start") await begin(header, body);
    else if (header.kind === "group") await show(header, body);
    else if (header.kind === "state") say(header.state);
    else if (header.kind === "end") return finish(header.cause);
  }
  after = Number(answer.headers.get("X-Last"));
};

const run = async () => {
  while (!over) {
    try {
      await next();
    } catch {
      say("lost");
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
};

setInterval(() => {
  const us = buffer && server ? shownUs() : null;
  if (us === null) return;
  clock.textContent = hall.format(us / 1000);
  delay.textContent = ((serverUs() - us) / 1e6).toFixed(1);
  live.dataset.delay = ((serverUs() - us) / 1e6).toFixed(2);
  if (!over && state.hidden && performance.now() - came > 2 * LATE_MS) say("silent");
}, 250);

const mark = async () => {
  const answer = await fetch(`${view}/mark`, { method: "POST" }).catch(() => null);
  if (!answer || !answer.ok) return say("refused");
  const said = await answer.json();
  const found = document.getElementById("marked").content.cloneNode(true);
  const time = found.querySelector("time");
  time.dateTime = said.at;
  time.textContent = hall.format(new Date(said.at));
  found.querySelector(".held").textContent = said.held.join(", ") || texts.nowhere;
  const form = found.querySelector("form");
  if (form) form.action = `/live/marks/${said.mark}/complain${location.search.includes("lang=en") ? "?lang=en" : ""}`;
  document.getElementById("marks-title").hidden = false;
  document.getElementById("marks").prepend(found);
};

document.getElementById("mark")?.addEventListener("click", mark);
document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input, select, textarea");
  if (event.key.toLowerCase() !== "m" || writing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  document.getElementById("mark")?.click();
});
addEventListener("pagehide", () => navigator.sendBeacon(`${view}/end`));

source.addEventListener("sourceopen", run, { once: true });
video.src = URL.createObjectURL(source);

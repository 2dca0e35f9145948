// The case and the clip in step: an event clicked, and the video goes there; the video plays, and the event lights up.
//
// Without a script the page is whole: events are links, the player has its own controls. Times are µs since 1970 by the
// recorder's clock; they are larger than a float holds exactly to the µs, and exact to the millisecond is what we need.

const film = document.getElementById("clip");
const video = document.getElementById("video");
const bar = document.getElementById("bar");
const head = document.getElementById("head");
const clock = document.getElementById("clock");
const events = [...document.querySelectorAll("#events li")];
const zero = film ? Number(film.dataset.from) : NaN;
const PICTURE_S = 1 / 25;

const hall = new Intl.DateTimeFormat("sv-SE", {
  timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium",
});

const usOf = (event) => Number(event.dataset.us);
const shownUs = () => zero + video.currentTime * 1e6;

const light = (event, { scroll }) => {
  for (const each of events) {
    each.classList.toggle("now", each === event);
    if (each === event) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  if (event && scroll) event.scrollIntoView({ block: "nearest" });
};

const place = (us) => {
  const from = Number(bar.dataset.from), to = Number(bar.dataset.to);
  const x = Math.min(Math.max((us - from) / (to - from), 0), 1) * 1000;
  head.setAttribute("x1", x);
  head.setAttribute("x2", x);
  head.setAttribute("visibility", "visible");
};

/** Remember the moment in the address, so that it can be sent to somebody. */
const remember = (event) => {
  const address = new URL(location.href);
  if (event) address.searchParams.set("event", event.id.slice("event-".length));
  if (video) address.searchParams.set("t", video.currentTime.toFixed(2));
  history.replaceState(null, "", address);
};

/** Nothing is fetched, and so nothing stated as seen, before somebody asks to see something. */
let wanted = null;
const goTo = (us) => {
  if (!video) return;
  if (video.readyState < 1) {
    wanted = us;
    if (video.networkState !== HTMLMediaElement.NETWORK_LOADING || video.preload === "none") {
      video.preload = "auto";
      video.load();
    }
    return;
  }
  const last = Number.isFinite(video.duration) ? video.duration : Infinity;
  video.currentTime = Math.min(Math.max((us - zero) / 1e6, 0), last);
};

let chosen = events.find((each) => each.classList.contains("now")) || null;

const choose = (event) => {
  if (!event) return;
  chosen = event;
  light(event, { scroll: true });
  goTo(usOf(event));
  if (bar) place(usOf(event));
  remember(event);
};

for (const event of events) {
  event.querySelector("a").addEventListener("click", (click) => {
    if (click.ctrlKey || click.metaKey || click.shiftKey) return;
    click.preventDefault();
    choose(event);
  });
}

if (video) {
  const follow = () => {
    const us = shownUs();
    clock.textContent = hall.format(new Date(us / 1000));
    if (bar) place(us);
    // The last event that has happened by now; a chosen one stays while the video stands where it was sent.
    const past = events.filter((each) => usOf(each) <= us + 50_000);
    const current = past.at(-1) || null;
    const held = chosen && Math.abs(usOf(chosen) - us) < 100_000 ? chosen : current;
    light(held, { scroll: !video.paused });
  };
  video.addEventListener("timeupdate", follow);
  video.addEventListener("seeked", follow);
  video.addEventListener("play", () => { chosen = null; });
  video.addEventListener("pause", () => remember(events.find((each) => each.classList.contains("now"))));
  video.addEventListener("loadedmetadata", () => {
    const asked = Number(new URL(location.href).searchParams.get("t"));
    const disputed = events.find((each) => each.classList.contains("disputed"));
    if (wanted !== null) goTo(wanted);
    else if (asked) video.currentTime = asked;
    else if (chosen || disputed) goTo(usOf(chosen || disputed));
    wanted = null;
    follow();
  }, { once: true });
}

if (bar) {
  const at = (pointer) => {
    const box = bar.getBoundingClientRect();
    const from = Number(bar.dataset.from), to = Number(bar.dataset.to);
    return from + Math.min(Math.max((pointer.clientX - box.left) / box.width, 0), 1) * (to - from);
  };
  const scrub = (pointer) => {
    if (!video || (pointer.type === "pointermove" && !pointer.buttons)) return;
    chosen = null;
    goTo(at(pointer));
  };
  bar.addEventListener("pointerdown", scrub);
  bar.addEventListener("pointermove", scrub);
  if (!video && chosen) place(usOf(chosen));
}

const step = (by) => {
  const now = events.findIndex((each) => each.classList.contains("now"));
  choose(events[Math.min(Math.max(now + by, 0), events.length - 1)]);
};

const move = (seconds) => {
  if (!video) return;
  chosen = null;
  video.pause();
  goTo(shownUs() + seconds * 1e6);
};

const keys = {
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  ",": () => move(-PICTURE_S),
  ".": () => move(PICTURE_S),
  " ": () => video && (video.paused ? video.play() : video.pause()),
  d: () => choose(events.find((each) => each.classList.contains("disputed"))),
  "?": () => {
    const list = document.querySelector(".keys");
    list.open = !list.open;
    list.scrollIntoView({ block: "nearest" });
  },
};

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest("input, select, textarea, summary, button")) return;
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  // The player has keys of its own; on this page they are these.
  event.preventDefault();
  event.stopPropagation();
  act();
}, { capture: true });

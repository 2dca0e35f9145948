// The board keeps itself up to date: it asks with the position that it shows, and only a page that is looked at asks.

const EVERY_MS = 2000;
const AT_MOST_MS = 30000;
let wait = EVERY_MS;

const ask = async () => {
  const board = document.getElementById("board");
  const writing = board.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  if (document.hidden || writing) return;
  const address = new URL(location.href);
  address.searchParams.set("part", "board");
  const answer = await fetch(address, {
    cache: "no-store",
    headers: { Accept: "text/html", "If-None-Match": board.dataset.tag },
  });
  if (answer.status === 304) return;
  if (answer.status === 403) location.reload();
  if (answer.status !== 200) throw new Error(String(answer.status));
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("board");
  const place = [...board.querySelectorAll("a, button")].indexOf(document.activeElement);
  board.replaceWith(document.adoptNode(found));
  if (place >= 0) found.querySelectorAll("a, button")[place]?.focus();
};

const again = async () => {
  try {
    await ask();
    wait = EVERY_MS;
    document.getElementById("board").classList.remove("stale");
  } catch {
    wait = Math.min(wait * 2, AT_MOST_MS);
    document.getElementById("board").classList.add("stale");
  }
  setTimeout(again, wait);
};

setTimeout(again, EVERY_MS);

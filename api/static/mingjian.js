// What a script adds to pages that work without one: the slider shows its moment at once, and the arrow keys move it.

const slider = document.getElementById("slider");

if (slider) {
  const step = slider.elements.namedItem("step");
  const links = { before: document.getElementById("before"), after: document.getElementById("after") };
  let asking = null;

  slider.classList.add("live");

  const addressOf = (place) => {
    const address = new URL(slider.action, location.href);
    const language = new URLSearchParams(location.search).get("lang");
    if (language) address.searchParams.set("lang", language);
    address.searchParams.set("step", place);
    return address;
  };

  const show = async () => {
    asking?.abort();
    asking = new AbortController();
    const address = addressOf(step.value);
    const part = new URL(address);
    part.searchParams.set("part", "history");
    let text;
    try {
      const answer = await fetch(part, { signal: asking.signal, headers: { Accept: "text/html" } });
      if (answer.status !== 200) throw new Error(String(answer.status));
      text = await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") location.assign(address);
      return;
    }
    const found = new DOMParser().parseFromString(text, "text/html").getElementById("history");
    const open = new Set([...document.querySelectorAll("#history details[open]")].map((each) => each.dataset.entry));
    for (const each of found.querySelectorAll("details")) each.open = open.has(each.dataset.entry);
    document.getElementById("history").replaceWith(document.adoptNode(found));
    const now = document.getElementById("now");
    if (now && found.dataset.now) {
      now.setAttribute("x1", found.dataset.now);
      now.setAttribute("x2", found.dataset.now);
    }
    history.replaceState(null, "", found.dataset.address);
    mend();
  };

  const mend = () => {
    const place = Number(step.value);
    const ends = { before: place > 1, after: place < Number(step.max) };
    for (const [name, link] of Object.entries(links)) {
      if (ends[name]) link.href = addressOf(place + (name === "after" ? 1 : -1));
      else link.removeAttribute("href");
    }
  };

  const move = (by) => {
    const before = step.value;
    step.value = Number(step.value) + by;
    if (step.value !== before) show();
  };

  step.addEventListener("input", show);
  slider.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  links.before.addEventListener("click", (event) => {
    event.preventDefault();
    move(-1);
  });
  links.after.addEventListener("click", (event) => {
    event.preventDefault();
    move(1);
  });
  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, select, textarea, summary");
    if (elsewhere || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") move(-1);
    else if (event.key === "ArrowRight") move(1);
    else return;
    event.preventDefault();
  });
}

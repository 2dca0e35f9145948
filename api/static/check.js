// The case page checked here: each statement's bytes, place, signed head and signer, by this browser's own cryptography.
//
// What is shown is held against the bytes, the statements against each other (seq and prev, without a gap), and the head
// against the one that this browser saw last. Beside the log's key it believes nothing, and that key may be one's own.
// Its limit: page and script come from the server that is checked. `mingjian-verify`, installed from elsewhere, does not.

import { NotProved, openCheckpoint, verify } from "/static/verify.js";

const section = document.getElementById("verify");

if (section) {
  const { vkey: named, stream, origin } = section.dataset;
  const form = section.querySelector("form"), own = form.elements.namedItem("vkey");
  const result = section.querySelector("output"), list = section.querySelector("ul");
  const words = section.querySelector("template").content.firstElementChild.dataset;
  const memory = `mingjian:${origin}`;
  section.hidden = false;

  const remembered = () => {
    try {
      return JSON.parse(localStorage.getItem(memory)) ?? {};
    } catch {
      return {};
    }
  };
  own.value = remembered().own ?? "";

  const get = async (path) => {
    const answer = await fetch(path, { headers: { Accept: "*/*" } });
    if (!answer.ok) throw new NotProved("http", `${path}: ${answer.status}`);
    return answer;
  };
  const known = new Map(); // id → what proves it; keys are asked for once
  const evidence = (id) => {
    if (!known.has(id)) {
      known.set(id, (async () => ({
        entry: new Uint8Array(await (await get(`/api/statements/${id}/entry`)).arrayBuffer()),
        proof: await (await get(`/api/statements/${id}/proof`)).text(),
      }))());
    }
    return known.get(id);
  };
  const need = (holds, code, message) => {
    if (!holds) throw new NotProved(code, message);
  };

  const one = async (act, vkey) => {
    const { id, seq, index, type, actor } = act.dataset;
    const { keys } = await (await get(`/api/statements/${id}/keys`)).json();
    const found = await verify({ ...(await evidence(id)), vkey, keys: await Promise.all(keys.map(evidence)) });
    const { statement } = found;
    const shown = { id, stream, type, actor, seq: Number(seq), index: Number(index) };
    const stated = { ...statement, seq: Number(statement.seq), index: found.index };
    for (const [name, value] of Object.entries(shown))
      need(stated[name] === value, "shown", `${name}: ${words.shown} ${value}, ${words.stated} ${stated[name]}`);
    return { ...found, seq: stated.seq, id: statement.id, prev: statement.prev ?? null };
  };

  const mark = (act, good, text) => {
    act.querySelector(".checked")?.remove();
    const note = document.createElement("span");
    note.className = `checked ${good ? "good" : "mark late"}`;
    note.textContent = `${good ? "✓" : "✗"} ${text}`;
    (act.querySelector(".place") ?? act).append(note);
  };

  const head = async (vkey) => {
    const note = await (await get("/log/checkpoint")).text();
    const { origin: of, size, root } = await openCheckpoint(note, vkey);
    const now = { size: Number(size), root: Array.from(root, (byte) => byte.toString(16).padStart(2, "0")).join("") };
    need(of === origin, "origin", of);
    const last = remembered();
    if (last.vkey === vkey) {
      need(now.size >= last.size, "went-back", `${words.back} ${last.size} → ${now.size}`);
      need(now.size > last.size || now.root === last.root, "fork", `${words.fork} ${now.size}`);
    }
    return now;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = own.value.trim(), vkey = mine || named;
    const acts = [...document.querySelectorAll("#history .act[data-id]")];
    const wrong = [];
    known.clear();
    list.replaceChildren();
    section.removeAttribute("data-verdict");
    result.textContent = words.busy;
    form.querySelector("button").disabled = true;
    let now = null, before = null;
    try {
      now = await head(vkey);
      for (const act of acts) {
        try {
          const found = await one(act, vkey);
          need(found.seq === (before?.seq ?? 0) + 1 && found.prev === (before?.id ?? null), "chain", words.gap);
          before = found;
          mark(act, true, words.held);
        } catch (error) {
          wrong.push(`${act.dataset.index}: ${error.message}`);
          mark(act, false, error.message);
          before = { seq: Number(act.dataset.seq), id: act.dataset.id };
        }
      }
    } catch (error) {
      wrong.push(error.message);
    }
    const good = now !== null && wrong.length === 0 && acts.length > 0;
    section.dataset.verdict = good ? "good" : "bad";
    result.textContent = good
      ? `✓ ${acts.length} ${words.good} ${now.size} · ${mine ? words.yours : words.theirs}`
      : `✗ ${words.bad}`;
    list.replaceChildren(
      ...wrong.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
    );
    if (good) localStorage.setItem(memory, JSON.stringify({ ...now, vkey, own: mine || undefined }));
    form.querySelector("button").disabled = false;
  });
}

/* The browser's own verifier: entry, proof, checkpoint and key in; what they prove, or the reason why not, out.

   Promise: `verify` believes nothing that it was not given as `vkey`, asks no server, and uses nothing but the browser's
   own cryptography. It is written from docs/spec/formats.md alone; section numbers below are that document's. Every
   format is read in its one spelling, and what passes here passes `mingjian-verify` (tests/browser/test_verify_js.py).

   What it does not know: who may do what, and whether a key was revoked. That takes the whole log. */

"use strict";

const MAX_ENTRY = 65_535, MAX_PAYLOAD = 60_000, MAX_NOTE = 1_000_000, MAX_LINES = 100, MAX_PATH = 64, MAX_DEPTH = 16;
const MAX_SIZE = (1n << 63n) - 1n;

/** Why something is not proved: `code` for machines, `message` for people. */
export class NotProved extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const need = (holds, code, message) => {
  if (!holds) throw new NotProved(code, message);
};

// ── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

const utf8 = new TextEncoder();
const bytesOf = (text) => utf8.encode(text);
const join = (...parts) => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));

function textOf(bytes, code, message) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NotProved(code, message);
  }
}

function base64(text, code) {
  let binary = null;
  try {
    binary = atob(text);
  } catch {
    /* refused below */
  }
  need(binary !== null && btoa(binary) === text, code, "base64 has one canonical spelling, and this is not it");
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

// ── Keys and signatures (section 1) ────────────────────────────────────────────────────────────────────────

const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const mod = (a) => ((a % P) + P) % P;
function power(base, exponent) {
  let result = 1n;
  for (base = mod(base); exponent > 0n; exponent >>= 1n, base = (base * base) % P)
    if (exponent & 1n) result = (result * base) % P;
  return result;
}
const D = mod(-121665n * power(121666n, P - 2n));
const ROOT_OF_MINUS_1 = power(2n, (P - 1n) / 4n);
const littleEndian = (bytes) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const yOf = (bytes) => littleEndian(bytes) & ((1n << 255n) - 1n);

/** The point of RFC 8032 §5.1.3 in extended coordinates; null where there is none. */
function point(bytes) {
  const y = yOf(bytes), sign = BigInt(bytes[31] >> 7);
  if (y >= P) return null;
  const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x) === mod(-u)) x = mod(x * ROOT_OF_MINUS_1);
  else if (mod(v * x * x) !== u) return null;
  if (x === 0n && sign === 1n) return null;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2)), b = mod((y1 + x1) * (y2 + x2)), c = mod(2n * D * t1 * t2), d = mod(2n * z1 * z2);
  const e = b - a, f = d - c, g = d + c, h = b + a;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function isNeutral(p, times) {
  let sum = [0n, 1n, 1n, 0n];
  for (; times > 0n; times >>= 1n, p = add(p, p)) if (times & 1n) sum = add(sum, p);
  return sum[0] === 0n && sum[1] === sum[2];
}

function checkPublicKey(key) {
  need(key.length === 32, "key-length", "a public key has 32 bytes");
  const found = point(key);
  // A neutral element is in the prime-order group by arithmetic, and is one of the eight of small order.
  const good = found !== null && isNeutral(found, L) && !isNeutral(found, 1n);
  need(good, "key-point", "the public key is not a canonical point of the prime-order group");
}

async function signatureHolds(key, message, signature) {
  if (signature.length !== 64 || littleEndian(signature.slice(32)) >= L) return false;
  const r = signature.slice(0, 32);
  if (yOf(r) >= P) return false;
  // The sign of x is left out: a point and its negative have one order.
  const found = point(Uint8Array.from(r, (byte, i) => (i === 31 ? byte & 127 : byte)));
  if (found === null || isNeutral(found, 8n)) return false;
  const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}

const thumbprint = (key) => sha256(unhex("a301012006215820"), key);

// ── A statement (section 2) ────────────────────────────────────────────────────────────────────────────────

/** Deterministic CBOR, read in its one spelling. */
class Reader {
  constructor(raw) {
    this.raw = raw;
    this.at = 0;
  }

  take(length) {
    need(this.at + length <= this.raw.length, "cbor", "the bytes end too early");
    this.at += length;
    return this.raw.slice(this.at - length, this.at);
  }

  head(major) {
    const first = this.take(1)[0], low = first & 31;
    need(first >> 5 === major, "cbor", "another kind of item stands here");
    if (low < 24) return BigInt(low);
    need(low <= 27, "cbor", "an indefinite or reserved length");
    const width = 1 << (low - 24);
    const value = this.take(width).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    need(value >= (width === 1 ? 24n : 1n << BigInt(4 * width)), "cbor", "a number is not in its shortest form");
    return value;
  }

  string(major) {
    const length = this.head(major);
    need(length <= BigInt(this.raw.length), "cbor", "the bytes end too early");
    return this.take(Number(length));
  }

  text() {
    return textOf(this.string(3), "cbor", "a text is not UTF-8");
  }

  integer() {
    return this.raw[this.at] >> 5 === 1 ? -1n - this.head(1) : this.head(0);
  }

  expect(literal) {
    need(same(this.take(literal.length), literal), "profile", "the bytes are not those that the profile fixes");
  }

  end() {
    need(this.at === this.raw.length, "trailing", "bytes after the end");
  }
}

const cborHead = (major, length) => {
  if (length < 24) return [(major << 5) | length];
  if (length < 256) return [(major << 5) | 24, length];
  return [(major << 5) | 25, length >> 8, length & 255];
};
const cborText = (text) => join(cborHead(3, text.length), bytesOf(text));
const cborBytes = (bytes) => join(cborHead(2, bytes.length), bytes);

const HEAD = join([0xa5, 0x01, 0x27, 0x03], cborText("application/mingjian-statement+json"), [0x04, 0x58, 0x20]);
const TYP = join([0x10], cborText("application/mingjian-statement+cose"));

/** The value as RFC 8785 writes it; refuses what a payload cannot hold. */
function canonical(value, depth = 0) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    need(value.isWellFormed(), "json", "a text with half a character");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    need(Number.isSafeInteger(value), "json", "a number that is no integer within ±(2^53 − 1)");
    return JSON.stringify(value);
  }
  need(depth < MAX_DEPTH, "json", `JSON nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(",")}]`;
  const members = Object.keys(value).sort().map((key) => {
    need(/^[\x00-\x7f]*$/.test(key), "json", "a key that is not ASCII");
    return `${JSON.stringify(key)}:${canonical(value[key], depth + 1)}`;
  });
  return `{${members.join(",")}}`;
}

function parseCanonical(bytes) {
  const text = textOf(bytes, "json", "the payload is not UTF-8");
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotProved("json", "the payload is not JSON");
  }
  need(canonical(value) === text, "json", "the JSON is not in canonical form (RFC 8785)");
  return value;
}

const CODE = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;
const STREAM = /^[a-z][a-z0-9_]*(\/[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}){0,4}$/;
const TYPE = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+\.v[1-9][0-9]{0,3}$/;
const HEX32 = /^[0-9a-f]{64}$/;
const REQUEST = /^[!-~]{1,128}$/;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;
const AT = /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(\.\d{1,9})?(Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/** floor(`at`) in Unix seconds. */
function seconds(at) {
  const found = typeof at === "string" ? AT.exec(at) : null;
  need(found !== null, "at", "at is not a time of RFC 3339 with an offset");
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  local.setUTCHours(hour, minute, second);
  need(local.getUTCMonth() === month - 1 && local.getUTCDate() === day && year >= 1, "at", "at is on no day");
  const offset = found[8] === "Z" ? 0 : (found[9] === "-" ? -60 : 60) * (Number(found[10]) * 60 + Number(found[11]));
  const unix = local.getTime() / 1000 - offset;
  const utc = new Date(unix * 1000).getUTCFullYear();
  need(utc >= 1 && utc <= 9999, "at", "at lies outside years 1 to 9999 of UTC");
  return BigInt(unix);
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const matches = (pattern, value, what) =>
  need(typeof value === "string" && pattern.test(value), "form", `${what} is not well formed`);
const counts = (value, least, what) =>
  need(Number.isSafeInteger(value) && value >= least, "form", `${what} is not a count from ${least}`);

/** The statement in an entry's bytes, its form checked and its signature not yet. */
export async function openStatement(entry) {
  need(entry.length <= MAX_ENTRY, "entry-size", `an entry has at most ${MAX_ENTRY} bytes`);
  const whole = new Reader(entry);
  whole.expect([0xd2, 0x84]);
  const protectedPart = whole.string(2);
  whole.expect([0xa0]);
  const payloadPart = whole.string(2);
  need(payloadPart.length <= MAX_PAYLOAD, "payload-size", `a payload has at most ${MAX_PAYLOAD} bytes`);
  whole.expect([0x58, 0x40]);
  const signature = whole.take(64);
  whole.end();

  const header = new Reader(protectedPart);
  header.expect(HEAD);
  const kid = header.take(32);
  header.expect([0x0f]);
  const claims = header.head(5);
  need(claims === 3n || claims === 4n, "profile", "the claims are iss, sub, aud and iat");
  header.expect([1]);
  const actor = header.text();
  header.expect([2]);
  const stream = header.text();
  let audience = null;
  if (claims === 4n) {
    header.expect([3]);
    audience = header.text();
  }
  header.expect([6]);
  const iat = header.integer();
  header.expect(TYP);
  header.end();
  matches(CODE, actor, "the actor");
  matches(STREAM, stream, "the stream");

  const payload = parseCanonical(payloadPart);
  need(isObject(payload), "payload", "the payload is an object");
  const required = ["type", "seq", "seen", "at", "role", "request", "data"];
  const optional = ["prev", "unit", "window", "causes", "_sd"];
  const names = Object.keys(payload);
  const known = names.every((name) => required.includes(name) || optional.includes(name));
  need(known && required.every((name) => names.includes(name)), "payload", "members are missing or unknown");
  const has = (name) => names.includes(name);

  matches(TYPE, payload.type, "type");
  counts(payload.seq, 1, "seq");
  need(has("prev") === payload.seq > 1, "prev", "prev stands in every statement of a stream but the first");
  if (has("prev")) matches(HEX32, payload.prev, "prev");
  const seen = payload.seen;
  need(isObject(seen) && Object.keys(seen).join() === "root,size", "form", "seen is a root and a size");
  counts(seen.size, 0, "seen.size");
  matches(HEX32, seen.root, "seen.root");
  matches(CODE, payload.role, "role");
  for (const name of ["unit", "window"]) if (has(name)) matches(CODE, payload[name], name);
  matches(REQUEST, payload.request, "request");
  need(isObject(payload.data), "form", "data is an object");
  if (has("causes")) {
    const causes = payload.causes;
    need(Array.isArray(causes) && causes.length >= 1 && causes.length <= 64, "form", "causes are 1 to 64 ids");
    causes.forEach((cause) => matches(HEX32, cause, "a cause"));
  }
  if (has("_sd")) {
    const digests = payload._sd;
    need(Array.isArray(digests) && digests.length >= 1, "form", "_sd is a list of digests");
    digests.forEach((digest, i) => {
      matches(DIGEST, digest, "a digest");
      need(i === 0 || digests[i - 1] < digest, "form", "_sd is sorted and without repeats");
    });
  }
  need(iat === seconds(payload.at), "iat", "the claim iat is not the floor of the claimed time");

  const signed = join([0x84], cborText("Signature1"), cborBytes(protectedPart), [0x40], cborBytes(payloadPart));
  const id = await sha256([0], entry);
  return { actor, stream, audience, kid: hex(kid), id: hex(id), ...payload, signed, signature };
}

async function checkStatementSignature(act, key) {
  checkPublicKey(key);
  need(hex(await thumbprint(key)) === act.kid, "kid", "the statement names another key");
  need(await signatureHolds(key, act.signed, act.signature), "signature", "the statement's signature does not hold");
}

// ── Tree (section 3) ───────────────────────────────────────────────────────────────────────────────────────

/** The root to which `path` leads from `leaf` (RFC 9162 §2.1.3.2). */
async function inclusionRoot(leaf, index, size, path) {
  need(index >= 0n && index < size, "inclusion", `a tree of ${size} leaves has no leaf ${index}`);
  let node = index, last = size - 1n, root = leaf;
  for (const sibling of path) {
    need(last !== 0n, "inclusion", "the path is too long");
    if (node & 1n || node === last) {
      root = await sha256([1], sibling, root);
      while (!(node & 1n) && node !== 0n) (node >>= 1n), (last >>= 1n);
    } else {
      root = await sha256([1], root, sibling);
    }
    (node >>= 1n), (last >>= 1n);
  }
  need(last === 0n, "inclusion", "the path is too short");
  return root;
}

// ── Notes and checkpoints (section 4) ──────────────────────────────────────────────────────────────────────

const checkName = (name) =>
  need(
    name !== "" && [...name].length <= 1024 && !/[+\p{White_Space}\u0000-\u001f]/u.test(name),
    "key-name",
    "a key's name has no spaces and no plus sign",
  );

/** `name+id+base64(algorithm | key)`; algorithm 1 is a log's, 4 a witness's. */
async function parseVkey(vkey) {
  const found = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey);
  need(found !== null && vkey.length <= 4096, "vkey", "this is not a verifier key");
  const [, name, id, encoded] = found;
  checkName(name);
  const raw = base64(encoded, "vkey"), algorithm = raw[0], key = raw.slice(1);
  need(algorithm === 1 || algorithm === 4, "vkey", "a verifier key of an unknown kind");
  checkPublicKey(key);
  const made = (await sha256(bytesOf(name), [0x0a], raw)).slice(0, 4);
  need(hex(made) === id, "vkey", "the key id does not belong to the key");
  return { name, id: made, algorithm, key };
}

function splitNote(text) {
  need(text.isWellFormed(), "note", "a note is UTF-8");
  need(bytesOf(text).length <= MAX_NOTE, "note", `a note has at most ${MAX_NOTE} bytes`);
  need(!/[\x00-\x09\x0b-\x1f]/.test(text), "note", "a note has no control characters but the newline");
  const gap = text.lastIndexOf("\n\n");
  const tail = gap < 0 ? "" : text.slice(gap + 2);
  need(tail.endsWith("\n"), "note", "a note is text, an empty line and signature lines");
  const lines = tail.slice(0, -1).split("\n");
  need(lines.length <= MAX_LINES, "note", `a note has at most ${MAX_LINES} signature lines`);
  const parsed = lines.map((line) => {
    const found = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line);
    need(found !== null, "note", "a signature line is an em dash, a name and base64");
    checkName(found[1]);
    const raw = base64(found[2], "note");
    need(raw.length >= 5, "note", "a signature line holds a key id and a signature");
    return { name: found[1], id: raw.slice(0, 4), signature: raw.slice(4) };
  });
  return { text: text.slice(0, gap + 1), lines: parsed };
}

async function lineHolds({ algorithm, key }, line, text) {
  if (algorithm === 1) return signatureHolds(key, bytesOf(text), line.signature);
  if (line.signature.length !== 72) return false;
  const time = line.signature.slice(0, 8).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return time <= MAX_SIZE && signatureHolds(key, bytesOf(`cosignature/v1\ntime ${time}\n${text}`), line.signature.slice(8));
}

/** The checkpoint in a note, signed by the log of `vkey`; lines of `witnesses` that are there must hold. */
export async function openCheckpoint(note, vkey, witnesses = []) {
  const log = await parseVkey(vkey), others = await Promise.all(witnesses.map(parseVkey));
  need(log.algorithm === 1 && others.every((key) => key.algorithm === 4), "vkey", "a log's or witness's key is of another kind");
  const { text, lines } = splitNote(note);
  const found = new Set(), unknown = [];
  for (const line of lines) {
    const key = [log, ...others].find((one) => one.name === line.name && same(one.id, line.id));
    if (key === undefined) {
      unknown.push(`${line.name}+${hex(line.id)}`);
      continue;
    }
    need(await lineHolds(key, line, text), "note-signature", `the signature of ${key.name} does not hold`);
    need(!found.has(key), "note", "a key has two lines");
    found.add(key);
  }
  const parts = text.split("\n");
  need(parts.length >= 4 && parts.pop() === "", "checkpoint", "a checkpoint has origin, size and root");
  const [origin, sizeText, rootText, ...extensions] = parts;
  need(origin !== "" && extensions.every((line) => line !== ""), "checkpoint", "a checkpoint has no empty lines");
  need(/^(0|[1-9][0-9]{0,18})$/.test(sizeText), "checkpoint", "the size is not in decimal without leading zeros");
  const size = BigInt(sizeText), root = base64(rootText, "checkpoint");
  need(size <= MAX_SIZE && root.length === 32, "checkpoint", "a root has 32 bytes, a size 63 bits");
  need(size !== 0n || same(root, await sha256()), "checkpoint", "the empty tree has another root");
  need(found.has(log) && log.name === origin, "not-signed", "the log has not signed this checkpoint as its own");
  return { origin, size, root, cosignedBy: others.filter((key) => found.has(key)).map((key) => key.name), unknown };
}

// ── Proof (section 5) ──────────────────────────────────────────────────────────────────────────────────────

const FORMAT = "c2sp.org/tlog-proof@v1";
const INDEX = /^(0|[1-9][0-9]{0,18})$/;

/** A tlog-proof file's text, or the same as an object (`format`, `index`, `path`, `checkpoint`, perhaps `extra`). */
function parseProof(proof) {
  let index, path, checkpoint, extra;
  if (typeof proof === "string") {
    const gap = proof.indexOf("\n\n");
    need(gap >= 0, "proof", "a proof has an empty line before the checkpoint");
    const lines = proof.slice(0, gap).split("\n");
    need(lines.shift() === FORMAT, "proof", `a proof begins with ${FORMAT}`);
    if (lines[0]?.startsWith("extra ")) extra = lines.shift().slice(6);
    const found = /^index (.*)$/.exec(lines.shift() ?? "");
    need(found !== null && INDEX.test(found[1]), "proof", "a proof has a line with the index");
    index = BigInt(found[1]);
    path = lines;
    checkpoint = proof.slice(gap + 2);
  } else {
    need(isObject(proof), "proof", "a proof is a text or an object");
    const names = Object.keys(proof), allowed = ["format", "index", "path", "checkpoint", "extra"];
    const known = names.every((name) => allowed.includes(name));
    need(known && allowed.slice(0, 4).every((name) => names.includes(name)), "proof", "members are missing or unknown");
    ({ path, checkpoint, extra } = proof);
    need(proof.format === FORMAT && Number.isSafeInteger(proof.index) && proof.index >= 0, "proof", "not a proof of this format");
    need(Array.isArray(path) && path.every((hash) => typeof hash === "string"), "proof", "a path is a list of hashes");
    need(typeof checkpoint === "string", "proof", "the checkpoint is a text");
    need(!names.includes("extra") || typeof extra === "string", "proof", "extra is a text");
    index = BigInt(proof.index);
  }
  need(index < MAX_SIZE && path.length <= MAX_PATH, "proof", `a path has at most ${MAX_PATH} hashes`);
  if (extra !== undefined) {
    const raw = base64(extra, "proof");
    need(raw.length >= 1 && raw.length <= 65_536, "proof", "extra has 1 to 65,536 bytes");
  }
  const hashes = path.map((hash) => base64(hash, "proof"));
  need(hashes.every((hash) => hash.length === 32), "proof", "a hash has 32 bytes");
  return { index, path: hashes, checkpoint };
}

// ── All of it ──────────────────────────────────────────────────────────────────────────────────────────────

async function place(entry, proof, vkey, witnesses) {
  const found = parseProof(proof);
  const head = await openCheckpoint(found.checkpoint, vkey, witnesses);
  const act = await openStatement(entry);
  const root = await inclusionRoot(unhex(act.id), found.index, head.size, found.path);
  need(same(root, head.root), "inclusion", "the path does not lead from this entry to the signed root");
  // Only entry 0 is without an audience.
  const meant = act.audience === head.origin || (act.audience === null && found.index === 0n);
  need(meant, "audience", "the statement is meant for another log");
  return { act, head, index: found.index };
}

/** The key that statements of the log give for `act`: each proved, signed, and from a place before it. */
async function keyFrom(bundle, act, index, vkey, witnesses) {
  const placed = await Promise.all(bundle.map(({ entry, proof }) => place(entry, proof, vkey, witnesses)));
  placed.sort((a, b) => (a.index < b.index ? -1 : 1));
  const known = new Map();
  const admit = async (actor, key) => {
    need(typeof key === "string" && HEX32.test(key), "keys", "a key statement gives no key");
    known.set(hex(await thumbprint(unhex(key))), { actor, key: unhex(key) });
  };
  for (const { act: stated, head, index: at } of placed) {
    const { type, data } = stated;
    if (at >= index && !(at === 0n && index === 0n)) continue;
    if (at === 0n) {
      // The origin ends in the first half of entry 0's id: whoever pins the log pins these keys.
      need(head.origin.endsWith(`/${stated.id.slice(0, 32)}`) && type === "ledger.opened.v1", "origin", "entry 0 is of another log");
      for (const officer of [data.officers?.first, data.officers?.second]) await admit(officer?.actor, officer?.key);
      await admit("system/clock", data.clock_key);
    }
    const signer = known.get(stated.kid);
    need(signer !== undefined && signer.actor === stated.actor, "keys", "nothing before speaks for a key statement");
    await checkStatementSignature(stated, signer.key);
    if (type === "key.added.v1") await admit(data.actor, data.key);
    if (type === "key.rotated.v1") await admit(stated.actor, data.key);
  }
  const found = known.get(act.kid);
  need(found !== undefined && found.actor === act.actor, "keys", "no statement given here speaks for the signer's key");
  return found.key;
}

/**
 * What entry and proof show under the log's `vkey`: id, place, signed head, who signed.
 *
 * `entry`: bytes; `proof`: a tlog-proof as text or object; `key`: the signer's public key (32 bytes), or `keys`: a list
 * of `{ entry, proof }` of the statements that gave it, entry 0 among them. Rejects with `NotProved` unless all of it holds.
 */
export async function verify({ entry, proof, vkey, key, keys, witnesses = [] }) {
  const { act, head, index } = await place(entry, proof, vkey, witnesses);
  await checkStatementSignature(act, key ?? (await keyFrom(keys ?? [], act, index, vkey, witnesses)));
  const { origin, size, root, cosignedBy, unknown } = head;
  const { signed, signature, ...statement } = act;
  return { statement, index: Number(index), origin, size: Number(size), root: hex(root), cosignedBy, unknown };
}

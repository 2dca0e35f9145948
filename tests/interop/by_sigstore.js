// Asks the Merkle and checkpoint code of @sigstore/verify. Usage: node by_sigstore.js NODE_MODULES < cases
const { createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const tlog = join(process.argv[2], "@sigstore", "verify", "dist", "tlog");
const { verifyMerkleInclusion } = require(join(tlog, "merkle.js"));
const { verifyCheckpoint } = require(join(tlog, "checkpoint.js"));

const bytes = (text) => Buffer.from(text, "base64");

function answer(c) {
  try {
    if (c.kind === "inclusion") {
      const inclusionProof = { logIndex: String(c.index), hashes: c.path.map(bytes) };
      const head = { logSize: BigInt(c.size), logHash: bytes(c.root) };
      verifyMerkleInclusion({ inclusionProof, canonicalizedBody: bytes(c.entry) }, head);
      return true;
    }
    const publicKey = createPublicKey({ key: bytes(c.der), format: "der", type: "spki" });
    const log = { logID: bytes(c.key_id), baseURL: c.origin, publicKey };
    const entry = { inclusionProof: { checkpoint: { envelope: bytes(c.note).toString("utf8") } } };
    return verifyCheckpoint(entry, [log]).logHash.equals(bytes(c.root));
  } catch {
    return false;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(answer)));

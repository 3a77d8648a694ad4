// The code of a ticket: 42 characters of Crockford base32, the ticket's id (26) and its secret (16).

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID_CHARACTERS = 26;
const SECRET_CHARACTERS = 16;
const HASH_BYTES = 8;

/**
 * Returns the 26 bytes of a code, in any case and with spaces in it, or null when it is none.
 * @param {string} text
 */
export function readCode(text) {
  const plain = text.replace(/\s+/g, "").toUpperCase();
  if (plain.length !== ID_CHARACTERS + SECRET_CHARACTERS) return null;
  const id = bytesOf(plain.slice(0, ID_CHARACTERS), 16);
  const secret = bytesOf(plain.slice(ID_CHARACTERS), 10);
  if (!id || !secret) return null;
  const whole = new Uint8Array(26);
  whole.set(id);
  whole.set(secret, 16);
  return whole;
}

/** Returns what a list has of a code: the first bytes of its hash. @param {Uint8Array} code */
export async function hashCode(code) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", code)).slice(0, HASH_BYTES);
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytesOf(characters, count) {
  let number = 0n;
  for (const character of characters) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0) return null;
    number = number * 32n + BigInt(digit);
  }
  if (number >> BigInt(count * 8)) return null;
  const bytes = new Uint8Array(count);
  for (let place = count - 1; place >= 0; place -= 1) {
    bytes[place] = Number(number & 255n);
    number >>= 8n;
  }
  return bytes;
}

// What an answer sounds and feels like: one high tone for in, two low ones for stop, two equal ones for look.

const TONES = { good: [[1_200, 0.12]], warn: [[700, 0.1], [700, 0.1]], bad: [[330, 0.16], [220, 0.3]] };
const SHAKES = { good: [60], warn: [60, 80, 60], bad: [250, 80, 250] };
let audio;

/** Browsers let a page sound only after somebody has touched it. */
export function allowSound() {
  audio ??= "AudioContext" in globalThis ? new AudioContext() : undefined;
  audio?.resume().catch(() => {});
}

/** @param {"good" | "warn" | "bad"} kind */
export function signal(kind) {
  navigator.vibrate?.(SHAKES[kind]);
  if (audio?.state !== "running") return;
  let at = audio.currentTime;
  for (const [frequency, seconds] of TONES[kind]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = frequency;
    tone.type = kind === "bad" ? "square" : "sine";
    volume.gain.setValueAtTime(0.25, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + seconds);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + seconds);
    at += seconds + 0.05;
  }
}

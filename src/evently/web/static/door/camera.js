// Reads QR codes from a camera: with the browser's own reader where there is one, else with zxing.

const WIDTH_MAX = 800; // a code of a ticket reads from 120 px of width; more only costs time
const PAUSE_MS = 60; // between two frames: a phone must not grow hot
const READER = new URL("../vendor/zxing-wasm/index.js", import.meta.url);
const PROGRAM = new URL("../vendor/zxing-wasm/zxing_reader.wasm", import.meta.url);

/** Returns a function that reads the codes of an image, or throws where there is no reader. */
export async function openReader() {
  if ("BarcodeDetector" in globalThis) {
    const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
    if (formats.includes("qr_code")) {
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      return async (image) => (await detector.detect(image)).map((each) => each.rawValue);
    }
  }
  const zxing = await import(READER.href);
  await zxing.prepareZXingModule({ overrides: { locateFile: () => PROGRAM.href }, fireImmediately: true });
  const options = { formats: ["QRCode"], tryHarder: true, maxNumberOfSymbols: 2 };
  return async (image) => (await zxing.readBarcodes(image, options)).filter((each) => each.isValid).map((each) => each.text);
}

export class Camera {
  #video;
  #found;
  #canvas = document.createElement("canvas");
  #read;
  #stream = null;
  #deviceId = null;
  #wanted = false;

  /** @param {HTMLVideoElement} video @param {(code: string) => void} found */
  constructor(video, found) {
    this.#video = video;
    this.#found = found;
    document.addEventListener("visibilitychange", () => this.#wake());
  }

  async start() {
    this.#read ??= await openReader();
    this.#wanted = true;
    await this.#open();
    this.#loop();
  }

  stop() {
    this.#wanted = false;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
  }

  get canLight() {
    return Boolean(this.#track?.getCapabilities?.().torch);
  }

  async light(on) {
    await this.#track?.applyConstraints({ advanced: [{ torch: on }] });
  }

  /** Returns whether there is another camera; the back camera is the first. */
  async hasOthers() {
    return (await cameras()).length > 1;
  }

  async switchOver() {
    const ids = (await cameras()).map((each) => each.deviceId);
    const current = this.#track?.getSettings().deviceId;
    this.#deviceId = ids[(ids.indexOf(current) + 1) % ids.length];
    await this.#open();
  }

  get #track() {
    return this.#stream?.getVideoTracks()[0];
  }

  async #open() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    const which = this.#deviceId ? { deviceId: { exact: this.#deviceId } } : { facingMode: "environment" };
    this.#stream = await navigator.mediaDevices.getUserMedia({
      video: { ...which, width: { ideal: 1280 }, height: { ideal: 720 } },
      audio: false,
    });
    this.#video.srcObject = this.#stream;
    this.#track.onended = () => this.#wake();
    await this.#video.play();
  }

  // A phone that slept has ended the stream, or shows black: open it again.
  async #wake() {
    if (!this.#wanted || document.visibilityState !== "visible") return;
    const track = this.#track;
    if (track && track.readyState === "live" && !track.muted) return;
    await this.#open().catch(() => {});
  }

  async #loop() {
    while (this.#wanted) {
      if (document.visibilityState === "visible" && this.#video.readyState >= 2 && this.#video.videoWidth) {
        try {
          for (const code of await this.#read(this.#frame())) this.#found(code);
        } catch {
          // a frame that cannot be read is followed by the next
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #frame() {
    const scale = Math.min(1, WIDTH_MAX / this.#video.videoWidth);
    const width = Math.round(this.#video.videoWidth * scale);
    const height = Math.round(this.#video.videoHeight * scale);
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.#video, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }
}

async function cameras() {
  return (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "videoinput");
}

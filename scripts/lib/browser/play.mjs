// Plays clips of a server in Chromium, seeks in them, and looks at what was asked for
// and answered on the way.
//
//   node play.mjs SERVER TOKEN SECONDS CLIP...     the last clip is damaged: it must not play

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// From the folder that npm installed into.
const { chromium } = createRequire(process.env.ATREST_BROWSER_MODULES + "/")("playwright-core");
const [server, token, seconds, ...clips] = process.argv.slice(2);
const damaged = clips.pop();

const browser = await chromium.launch({
  executablePath: process.env.ATREST_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
});
try {
  for (const clip of clips) await play(clip, Number(seconds));
  await refuse(damaged);
} finally {
  await browser.close();
}

// A page with one video, and the answers that it got.
async function open(clip) {
  const page = await browser.newPage({ extraHTTPHeaders: { Authorization: `Bearer ${token}` } });
  const answers = [];
  page.on("response", (answer) => {
    if (answer.url().includes("/clips/")) {
      answers.push({ status: answer.status(), range: answer.headers()["content-range"] ?? "" });
    }
  });
  await page.setContent(`<video muted preload="metadata" src="${server}/clips/${clip}"></video>`);
  return { page, answers };
}

async function play(clip, seconds) {
  const { page, answers } = await open(clip);
  await page.waitForFunction(() => document.querySelector("video").readyState >= 1);
  const duration = await page.evaluate(() => document.querySelector("video").duration);
  assert.ok(Math.abs(duration - seconds) < 0.5, `${clip}: it lasts ${duration} s`);
  await page.evaluate(() => document.querySelector("video").play());
  await page.waitForFunction(() => document.querySelector("video").currentTime > 0.5);

  // Far ahead, back, and nearly to the end: where nothing is buffered yet.
  for (const part of [0.8, 0.3, 0.95]) {
    const before = answers.length;
    const target = duration * part;
    const landed = await page.evaluate(async (target) => {
      const video = document.querySelector("video");
      const sought = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
      video.currentTime = target;
      await sought;
      return video.currentTime;
    }, target);
    assert.ok(Math.abs(landed - target) < 0.5, `${clip}: sought ${target}, is at ${landed}`);
    // It plays on from there.
    await page.waitForFunction((from) => document.querySelector("video").currentTime > from, landed + 0.3);
    console.log(`${clip}: sought ${target.toFixed(1)} s, ${answers.length - before} requests`);
  }
  await page.waitForFunction(() => document.querySelector("video").ended);

  const frames = await page.evaluate(() => {
    const video = document.querySelector("video");
    const quality = video.getVideoPlaybackQuality();
    return { width: video.videoWidth, all: quality.totalVideoFrames, corrupted: quality.corruptedVideoFrames };
  });
  assert.equal(frames.width, 640);
  assert.ok(frames.all > 20 && frames.corrupted === 0, `${clip}: ${JSON.stringify(frames)}`);

  assert.ok(answers.length >= 3, `${clip}: ${answers.length} requests`);
  for (const answer of answers) assert.equal(answer.status, 206, `${clip}: ${JSON.stringify(answer)}`);
  const starts = answers.map((answer) => Number(/^bytes (\d+)-\d+\/\d+$/.exec(answer.range)[1]));
  assert.ok(starts.some((start) => start > 0), `${clip}: every request began at 0: ${starts}`);
  console.log(`${clip}: played and sought; ${answers.length} requests, all 206, from ${starts.join(", ")}`);
  await page.close();
}

async function refuse(clip) {
  const { page } = await open(clip);
  await page.waitForFunction(() => document.querySelector("video").error !== null);
  assert.equal(await page.evaluate(() => document.querySelector("video").videoWidth), 0);
  // What the player was told, asked for once more: its own answer is not shown to us.
  const headers = { Authorization: `Bearer ${token}`, Range: "bytes=0-" };
  const answer = await page.request.get(`${server}/clips/${clip}`, { headers });
  assert.equal(answer.status(), 500);
  assert.equal((await answer.json()).object, clip);
  console.log(`${clip}: not played, as it should be`);
  await page.close();
}

// Requests that are tried until the server takes them, or says that it never will: a connection that breaks, a server
// that is away or full, and a session that ended meanwhile are waited for.
"use strict";

// `form` has the token; `tell` is given what is wrong, as a sentence, and nothing once all is well.
window.DelineateSender = (form, tell) => {
  const { renewToken } = window.DelineateForms;
  const LONGEST_PAUSE = 15; // seconds between two tries
  const AGAIN = new Set([0, 429, 502, 503, 504, 507]); // no fault of what was sent
  const LATE = new Set([400, 401]); // the token may be of an earlier session
  const AWAY = "The server does not answer. It is tried again until it does.";
  const ENDED = "Your session has ended: log in again in another tab, and this goes on.";

  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

  const headers = () => ({
    "X-CSRFToken": form.querySelector("input[name=csrf_token]").value,
    "X-Live": "1", // without a session: 401, and no page to log in
  });

  const lineOf = (html) =>
    new DOMParser().parseFromString(html, "text/html").querySelector(".error p:not(.code)")?.textContent.trim() || "";

  const cannotBeRead = (file) => file.slice(0, 1).arrayBuffer().then(() => false, () => true);

  const post = (address, data, onProgress) =>
    new Promise((resolve) => {
      const request = new XMLHttpRequest(); // fetch tells nothing of what has been sent
      request.open("POST", address);
      Object.entries(headers()).forEach(([name, value]) => request.setRequestHeader(name, value));
      request.upload.addEventListener("progress", (event) => onProgress?.(event.loaded));
      request.addEventListener("loadend", () => {
        const wait = Number(request.getResponseHeader("Retry-After")) || 0;
        resolve({ status: request.status, text: request.responseText, wait });
      });
      request.send(data);
    });

  // `makeBody` is asked anew for each try; `mayStop` whether a request that was not answered is given up.
  const postUntilHeard = async (address, makeBody, onProgress, mayStop) => {
    for (let tries = 0; ; tries += 1) {
      const answer = await post(address, makeBody(), onProgress);
      const isLate = LATE.has(answer.status) && (tries === 0 || answer.status === 401);
      if ((!isLate && !AGAIN.has(answer.status)) || (answer.status === 0 && (await mayStop?.()))) {
        tell("");
        return answer;
      }
      let wrong = lineOf(answer.text) || AWAY;
      if (isLate) {
        wrong = await renewToken(form).then((late) => late && ENDED, () => AWAY);
      }
      tell(wrong);
      if (wrong) {
        await pause(Math.max(answer.wait, Math.min(2 ** tries * 0.5, LONGEST_PAUSE)));
      }
    }
  };

  // Returns why it could not be, or nothing.
  const seal = async (address) => {
    const answer = await fetch(address, { method: "POST", headers: headers(), redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") {
      return "";
    }
    return (answer && lineOf(await answer.text())) || "The server does not answer. What has arrived stays; finish once more.";
  };

  return { lineOf, cannotBeRead, seal, postUntilHeard };
};

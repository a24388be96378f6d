// Uploads file by file: a few at once, each with its progress. What has arrived is known by the job: after a broken
// connection or a reload the same files are given again, and what is missing is sent. A bad file fails alone.
"use strict";

(() => {
  const root = document.getElementById("upload");
  const { dropped, chosen, isImage } = window.DelineateFiles;
  const { renewToken, say, setSending } = window.DelineateForms;
  const form = document.getElementById("upload-form");
  const { lineOf, cannotBeRead, seal, postUntilHeard } = window.DelineateSender(form, (text) => {
    trouble = text;
    show();
  });
  const part = (name) => document.getElementById(name);
  const extensions = new Set(root.dataset.extensions.split(" "));
  const maxFile = Number(root.dataset.maxFile);
  const MOST_ROWS = 100; // of images that could not be sent
  const OVER = new Set([403, 404, 410]); // the job takes no more

  const files = new Map(); // by path
  const leftOut = new Set();
  let page = root.dataset.page || ""; // of the job, once there is one
  const finishesByItself = !page;
  let [running, paused, trouble, over] = [false, false, "", ""];
  let begun = { at: 0, bytes: 0 };

  const of = (...states) => [...files.values()].filter((each) => states.includes(each.state));
  const bytes = (some) => some.reduce((sum, each) => sum + each.file.size, 0);
  const plural = (count, word = "image") => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  const size = (count) =>
    count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(count / 2 ** 20).toLocaleString("en")} MiB`;
  const at = (name) => page.replace(/(\?|$)/, `/${name}$1`);

  // What is seen.

  const rowOf = (each) => {
    if (!each.row) {
      each.row = document.createElement("li");
      each.row.append(Object.assign(document.createElement("bdi"), { textContent: each.path }), " ");
      part("upload-files").append(each.row);
    }
    return each.row;
  };

  const showSending = (each) => {
    const row = rowOf(each);
    const bar = row.querySelector("progress") || row.appendChild(document.createElement("progress"));
    bar.max = Math.max(each.file.size, 1);
    bar.value = each.sent;
    bar.setAttribute("aria-label", `Uploaded of ${each.path}`);
  };

  const drop = (each) => {
    each.row?.remove();
    each.row = null;
  };

  let drawn = 0;
  const showSoon = () => {
    // Not each frame: the sums go over all files, which may be a hundred thousand.
    drawn ||= setTimeout(() => {
      drawn = 0;
      show();
    }, 200);
  };

  const fail = (each, reason) => {
    Object.assign(each, { state: "failed", sent: 0, says: reason });
    drop(each);
    if (part("upload-files").childElementCount < MOST_ROWS) {
      const words = Object.assign(document.createElement("span"), { className: "wrong", textContent: reason });
      rowOf(each).append(words);
    }
    showSoon();
  };

  const timeLeft = (sent, all) => {
    const seconds = (Date.now() - begun.at) / 1000;
    const rate = (sent - begun.bytes) / seconds;
    if (seconds < 3 || rate <= 0) {
      return "";
    }
    const left = (all - sent) / rate;
    return left < 90 ? `, about ${Math.ceil(left)} s left` : `, about ${Math.ceil(left / 60)} min left`;
  };

  const sentence = (sent, all) => {
    const [arrived, failed, waiting] = [of("arrived").length, of("failed").length, of("waiting", "sending").length];
    const not = failed ? ` ${plural(failed)} could not be sent.` : "";
    if (over || trouble) {
      return `${over || trouble} ${plural(arrived)} ${arrived === 1 ? "has" : "have"} arrived.`;
    }
    if (!page) {
      return `${plural(waiting)} chosen, ${size(all)}.${not}`;
    }
    if (waiting) {
      const how = paused ? "Paused: " : "";
      return `${how}${plural(arrived)} of ${(arrived + waiting).toLocaleString("en")} there, ${size(sent)} of ${size(all)}${running && !paused ? timeLeft(sent, all) : ""}.${not}`;
    }
    return `${plural(arrived)} there.${not}`;
  };

  const show = () => {
    const all = bytes(of("waiting", "sending", "arrived"));
    const sent = bytes(of("arrived")) + of("sending").reduce((sum, each) => sum + each.sent, 0);
    part("upload-all").hidden = files.size + leftOut.size === 0;
    part("upload-progress").max = Math.max(all, 1);
    part("upload-progress").value = sent;
    const text = sentence(sent, all);
    if (part("upload-says").textContent !== text) {
      part("upload-says").textContent = text;
    }
    const [idle, failed] = [!of("waiting", "sending").length, of("failed").some((each) => each.mayGo)];
    part("upload-pause").hidden = !page || idle || Boolean(over);
    part("upload-pause").textContent = paused ? "Go on" : "Pause";
    part("upload-again").hidden = !page || !failed || Boolean(over);
    part("upload-replace").hidden = !of("failed").some((each) => each.isTaken);
    part("upload-finish").hidden = !finishesByItself || !page || !idle || !of("arrived").length || Boolean(over);
    part("upload-finish").textContent = of("failed").length ? "Finish without them" : "Finish";
    part("upload-left-out").hidden = !leftOut.size;
    const names = [...leftOut].slice(0, 3).join(", ");
    part("upload-left-out").textContent =
      `Left out of folders, by their names no images: ${plural(leftOut.size, "file")} (${names}${leftOut.size > 3 ? ", …" : ""}).`;
  };

  // What is sent.

  const send = async (each) => {
    each.state = "sending";
    showSending(each);
    const data = () => {
      const body = new FormData();
      body.append("path", each.path);
      body.append("modified", String(each.file.lastModified));
      body.append("replace", part("replace").checked ? "1" : "0");
      body.append("image", each.file, each.file.name);
      return body;
    };
    const onProgress = (loaded) => {
      each.sent = Math.min(loaded, each.file.size);
      showSending(each);
      showSoon();
    };
    const unreadable = "cannot be read: was it moved, changed or locked?";
    if (await cannotBeRead(each.file)) {
      return fail(each, unreadable);
    }
    const answer = await postUntilHeard(at("files"), data, onProgress, () => cannotBeRead(each.file));
    if (OVER.has(answer.status)) {
      each.state = "waiting";
      over = lineOf(answer.text) || "The job takes no more images.";
      drop(each);
    } else if (answer.status === 0) {
      fail(each, unreadable);
    } else if (answer.status !== 200) {
      each.isTaken = answer.status === 409;
      each.mayGo = true;
      fail(each, lineOf(answer.text) || `The server answers ${answer.status}.`);
    } else {
      each.state = "arrived";
      drop(each);
    }
    showSoon();
  };

  const leaveOutWhatIsThere = async () => {
    const asked = of("waiting").filter((each) => !each.isAsked);
    const most = Number(root.dataset.mostAsked);
    for (let start = 0; start < asked.length && !over; start += most) {
      const some = asked.slice(start, start + most);
      const data = () => {
        const body = new FormData();
        for (const each of some) {
          body.append("name", each.path);
          body.append("size", String(each.file.size));
          body.append("modified", String(each.file.lastModified));
        }
        return body;
      };
      const answer = await postUntilHeard(at("known"), data);
      if (OVER.has(answer.status)) {
        over = lineOf(answer.text) || "The job takes no more images.";
      } else if (answer.status === 200) {
        const arrived = new Set(JSON.parse(answer.text).arrived);
        some.forEach((each) => Object.assign(each, { isAsked: true, state: arrived.has(each.path) ? "arrived" : "waiting" }));
      }
      show();
    }
  };

  const finish = async () => {
    const refused = await seal(at("seal"));
    if (refused) {
      say(form, refused);
      show();
    } else {
      location.assign(page.split("?")[0]); // which leads to the job, once it is complete
    }
  };

  // All senders go through the files once, together: to look for the next one among all would take a folder squared.
  const sender = async (queue) => {
    for (const each of queue) {
      if (paused || over) {
        return;
      }
      if (each.state === "waiting") {
        await send(each);
      }
    }
  };

  const run = async () => {
    if (running || !page || paused || over) {
      return;
    }
    running = true;
    begun = { at: Date.now(), bytes: bytes(of("arrived")) };
    await leaveOutWhatIsThere();
    const queue = files.values();
    await Promise.all(Array.from({ length: Number(root.dataset.atOnce) }, () => sender(queue)));
    running = false;
    show();
    if (of("waiting").length && !paused && !over) {
      return run(); // given meanwhile
    }
    if (finishesByItself && !of("waiting", "failed").length && !over) {
      await finish();
    }
  };

  // What somebody does.

  const take = (found) => {
    for (const { path, file, isInFolder } of found) {
      if (isInFolder && !isImage(path, extensions)) {
        leftOut.add(path);
      } else if (!["sending", "arrived"].includes(files.get(path)?.state)) {
        const each = { path, file: file || new File([], path), state: "waiting", sent: 0, row: null };
        drop(files.get(path) || each);
        files.set(path, each);
        if (!file) {
          fail(each, "cannot be read: may you open it?");
        } else if (file.size > maxFile) {
          fail(each, `larger than ${size(maxFile)}, the most that an image may have: not sent.`);
        }
      }
    }
    show();
    run();
  };

  const begin = async () => {
    if (!of("waiting").length) {
      return say(form, of("failed").length ? "None of these can be sent: choose others." : "Choose at least one image, or a folder of them.");
    }
    const late = await renewToken(form).catch(() => "The server does not answer. Nothing was sent; try again.");
    if (late) {
      return say(form, late);
    }
    const data = new FormData(form);
    data.delete("images");
    data.set("files", String(of("waiting").length));
    const answer = await fetch(form.dataset.begin, { method: "POST", body: data }).catch(() => null);
    const text = answer ? await answer.text() : "";
    if (answer?.ok) {
      page = JSON.parse(text).page;
      history.replaceState(null, "", page); // a reload goes on here
      form.classList.add("is-begun");
      return run();
    }
    const settings = new DOMParser().parseFromString(text, "text/html").getElementById("upload-settings");
    if (settings) {
      part("upload-settings").replaceWith(settings);
      settings.querySelector("[aria-invalid]")?.focus();
    } else {
      say(form, lineOf(text) || "The server does not answer. Nothing was sent; try again.");
    }
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation(); // forms.js would send it as it is
    setSending(form, true);
    if (page && of("waiting", "sending").length) {
      say(form, "Images are still on their way: finish once they are there.");
    } else {
      await (page ? finish() : begin());
    }
    setSending(form, false);
  });
  for (const name of ["choose-files", "choose-folder"]) {
    part(name).addEventListener("change", (event) => {
      const found = chosen(event.target);
      event.target.value = "";
      take(found);
    });
  }
  part("upload-pause").addEventListener("click", () => {
    paused = !paused;
    show();
    run();
  });
  part("upload-again").addEventListener("click", () => {
    of("failed").filter((each) => each.mayGo).forEach((each) => {
      drop(each);
      Object.assign(each, { state: "waiting", isTaken: false });
    });
    run();
  });
  part("upload-finish").addEventListener("click", finish);
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // a file beside the zone would be opened in place of the page
      part("drop-zone").classList.toggle("is-over", kind === "dragover" || kind === "dragenter");
    });
  }
  document.addEventListener("drop", async (event) => take(await dropped(event.dataTransfer)));
  window.addEventListener("beforeunload", (event) => of("sending").length && event.preventDefault());
  root.hidden = false;
  part("upload-plain")?.remove();
  part("upload-plain-limit")?.remove();
})();

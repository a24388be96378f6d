// Times in the reader's own zone and language; ages that go on by themselves.
"use strict";

(() => {
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const offset = Number(document.documentElement.dataset.now) * 1000 - Date.now() || 0; // the server's clock counts

  const age = (seconds) => {
    if (seconds < 5) {
      return "just now";
    }
    const [size, word] = UNITS.find(([each]) => seconds >= each) || [1, "s"];
    return `${Math.floor(seconds / size)} ${word} ago`;
  };

  const put = (node, text) => node.textContent !== text && (node.textContent = text);

  const update = () => {
    for (const node of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(node.dateTime);
      const local = format.format(moment);
      if ("age" in node.dataset) {
        put(node, age((Date.now() + offset - moment) / 1000));
        node.title = `${local} (${node.dateTime})`;
      } else {
        put(node, local);
        node.title = node.dateTime;
      }
    }
  };

  update();
  document.addEventListener("live:changed", update);
  setInterval(() => !document.hidden && update(), 5000);
})();

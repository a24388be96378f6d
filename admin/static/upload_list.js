// Files that were dropped or chosen, under the paths that they have in their folders. Of a folder what is no image by
// its name is left out; what somebody names singly is taken as it is.
"use strict";

(() => {
  const batches = (reader) =>
    new Promise((resolve, reject) => {
      const found = [];
      const next = () =>
        reader.readEntries((some) => {
          found.push(...some);
          // A browser gives a hundred at a time, and none at the end.
          return some.length ? next() : resolve(found);
        }, reject);
      next();
    });

  const walk = async (entry, isInFolder, found) => {
    if (entry.isDirectory) {
      for (const child of await batches(entry.createReader())) {
        await walk(child, true, found);
      }
    } else {
      try {
        const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
        found.push({ path: entry.fullPath.replace(/^\//, ""), file, isInFolder });
      } catch {
        found.push({ path: entry.fullPath.replace(/^\//, ""), file: null, isInFolder });
      }
    }
  };

  const dropped = async (transfer) => {
    // Taken at once: after the first pause the browser has emptied the list.
    const given = [...transfer.items].map((item) => item.webkitGetAsEntry?.() || item.getAsFile()).filter(Boolean);
    const found = [];
    for (const one of given) {
      if (one instanceof File) {
        found.push({ path: one.name, file: one, isInFolder: false });
      } else {
        await walk(one, false, found);
      }
    }
    return found;
  };

  const chosen = (input) =>
    [...input.files].map((file) => ({
      path: file.webkitRelativePath || file.name,
      file,
      isInFolder: Boolean(file.webkitRelativePath),
    }));

  const isImage = (path, extensions) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const dot = name.lastIndexOf(".");
    return !name.startsWith(".") && dot > 0 && extensions.has(name.slice(dot).toLowerCase());
  };

  window.DelineateFiles = { dropped, chosen, isImage };
})();

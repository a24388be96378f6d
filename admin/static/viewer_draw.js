// The viewer's picture making: samples of a region to the pixels of a canvas, no DOM but the canvas itself.
//
// A slab is a region as the server gives it: rows × columns of samples from (x, y) on, `step` pixels of the image to
// a sample. A frame costs as many pixels as the pane has, however large the image is.
"use strict";

(() => {
  const CONTOUR = [0, 229, 255];
  const TRUTH = [255, 176, 0];
  const ONLY_MASK = [255, 64, 160];
  const MAGMA = "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf"
    .split(" ").map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

  const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

  const magma = (share) => {
    const at = share * (MAGMA.length - 1);
    const low = Math.min(Math.floor(at), MAGMA.length - 2);
    return MAGMA[low].map((value, channel) => Math.round(value + (MAGMA[low + 1][channel] - value) * (at - low)));
  };
  const HEAT = Array.from({ length: 256 }, (_, level) => magma(level / 255));

  // A region's bytes: the length of a JSON text, the text, the planes.
  const unpack = (buffer) => {
    const length = new DataView(buffer).getUint32(0, true);
    const slab = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const size = slab.rows * slab.columns;
    let at = 4 + length;
    slab.plane = {};
    for (const { name, bytes } of slab.planes) {
      slab.plane[name] = bytes === 2 ? new Uint16Array(buffer.slice(at, at + 2 * size)) : new Uint8Array(buffer, at, size);
      at += bytes * size;
    }
    return slab;
  };

  // What a sample of the source is shown as, 0 to 255, between black and white.
  const greys = (most, black, white) => {
    const table = new Uint8Array(most + 1);
    const scale = 255 / Math.max(white - black, 1);
    for (let sample = 0; sample <= most; sample += 1) {
      table[sample] = Math.min(255, Math.max(0, Math.round((sample - black) * scale)));
    }
    return table;
  };

  // For each column or row of a pane, the sample that it shows; -1 where there is none.
  const shown = (count, scale, centre, start, step, samples) => {
    const map = new Int32Array(count);
    for (let at = 0; at < count; at += 1) {
      const pixel = centre + (at + 0.5 - count / 2) / scale;
      const sample = Math.floor((pixel - start) / step);
      map[at] = sample >= 0 && sample < samples ? sample : -1;
    }
    return map;
  };

  // Tables of 256 colours: a grey as it is, and with a colour laid over it.
  const laidOver = (colour, share) => {
    const table = new Uint32Array(256);
    for (let grey = 0; grey < 256; grey += 1) {
      table[grey] = packed(colour.map((value) => Math.round(grey + (value - grey) * share)));
    }
    return table;
  };
  const PLAIN = laidOver([0, 0, 0], 0);

  const isEdge = (plane, inside, at, row, column, rows, columns) =>
    row === 0 || column === 0 || row === rows - 1 || column === columns - 1 ||
    !inside[plane[at - 1]] || !inside[plane[at + 1]] || !inside[plane[at - columns]] || !inside[plane[at + columns]];

  // Draws one slab into `pixels`, a pane of width × height; what lies outside of the slab stays.
  const draw = (pixels, width, height, view, slab, look) => {
    const { source, probability, truth } = slab.plane;
    const { rows, columns } = slab;
    const across = shown(width, view.scale, view.x, slab.x, slab.step, columns);
    const down = shown(height, view.scale, view.y, slab.y, slab.step, rows);
    const plane = look.threshold === null ? slab.plane.mask : probability;
    const inside = new Uint8Array(256);
    inside.fill(1, look.threshold === null ? 1 : look.threshold);
    const fill = laidOver(CONTOUR, look.opacity);
    const truthFill = laidOver(TRUTH, look.opacity);
    const onlyMask = laidOver(ONLY_MASK, look.opacity);
    const heats = look.kind === "heat" ? HEAT : null;
    const contour = packed(CONTOUR);
    const truthContour = packed(TRUTH);
    const { greys: table, kind } = look;
    const withMask = Boolean(plane) && (kind === "contour" || kind === "fill" || kind === "difference");
    const withTruth = Boolean(truth) && look.truth && kind !== "difference";
    for (let y = 0; y < height; y += 1) {
      const row = down[y];
      if (row < 0) {
        continue;
      }
      const start = row * columns;
      const out = y * width;
      for (let x = 0; x < width; x += 1) {
        const column = across[x];
        if (column < 0) {
          continue;
        }
        const at = start + column;
        const grey = source ? table[source[at]] : 32;
        let colour = PLAIN[grey];
        if (heats && probability) {
          const heat = heats[probability[at]];
          const share = look.opacity;
          colour = ((255 << 24) | ((grey + (heat[2] - grey) * share) << 16) |
            ((grey + (heat[1] - grey) * share) << 8) | (grey + (heat[0] - grey) * share)) >>> 0;
        } else if (kind === "difference" && truth && plane) {
          const found = inside[plane[at]];
          colour = found ? (truth[at] ? fill[grey] : onlyMask[grey]) : truth[at] ? truthFill[grey] : colour;
        } else if (withMask && inside[plane[at]]) {
          if (kind === "fill") {
            colour = fill[grey];
          } else if (isEdge(plane, inside, at, row, column, rows, columns)) {
            colour = contour;
          }
        }
        if (withTruth && truth[at] && isEdge(truth, ONE, at, row, column, rows, columns)) {
          colour = truthContour;
        }
        pixels[out + x] = colour;
      }
    }
  };
  const ONE = new Uint8Array(256).fill(1, 1);

  // Area and Dice of the mask at each threshold, from counts of levels alone.
  const curves = (levels, inside) => {
    const total = levels.reduce((sum, count) => sum + count, 0);
    const truth = inside ? inside.reduce((sum, count) => sum + count, 0) : 0;
    const area = new Array(257).fill(0);
    const dice = inside ? new Array(257).fill(0) : null;
    let found = 0;
    let right = 0;
    for (let level = 256; level >= 0; level -= 1) {
      found += levels[level] ?? 0;
      right += inside ? inside[level] ?? 0 : 0;
      area[level] = found;
      if (dice) {
        dice[level] = found + truth ? (2 * right) / (found + truth) : 1;
      }
    }
    return { total, area, dice };
  };

  window.delineateDraw = { unpack, greys, draw, curves };
})();

/* Staff pages. Everything here is an addition: without it the forms do the same, only less comfortably. */
"use strict";

(() => {
  const PARALLEL = 3; // files on their way at once
  const TRIES = 4; // of one file, when the network or the server does not answer
  const POLLED = 200; // documents asked for at once; the server looks at no more
  const POLL_MS = 1500;
  const LISTED = 300; // rows; older ones that are searchable are folded into a number
  const JUNK = /^(__MACOSX|Thumbs\.db|desktop\.ini)$/i;

  const upload = document.querySelector("[data-upload]");
  if (upload) uploading(upload);
  document.querySelectorAll("[data-listing]").forEach(listing);
  document.querySelectorAll("[data-copy]").forEach(copying);
  document.querySelector(".sections [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  function token() {
    return document.querySelector("input[name=csrfmiddlewaretoken]").value;
  }

  /** Answer of the server as JSON; throws `Error` with a plain sentence. */
  async function ask(url, body) {
    let response;
    try {
      response = await fetch(url, {
        method: body ? "POST" : "GET",
        headers: { Accept: "application/json", ...(body && { "X-CSRFToken": token() }) },
        body,
      });
    } catch {
      throw new Error("The server does not answer. Is the network there?");
    }
    return read(response.status, await response.text());
  }

  function read(status, text) {
    let value = {};
    try {
      value = JSON.parse(text);
    } catch {
      if (status < 400) throw new Error("The server answered something else. Reload the page.");
    }
    if (status < 400) return value;
    const error = new Error(value.error || said(status));
    error.status = status;
    error.fields = value.fields;
    throw error;
  }

  function said(status) {
    if (status === 403) return "You are not signed in any more. Reload the page, and sign in.";
    if (status === 413) return "The file is larger than the server takes.";
    return `The server refused it (${status}).`;
  }

  function size(bytes) {
    if (bytes < 1000) return `${bytes} B`;
    const [value, unit] = bytes < 1e6 ? [bytes / 1024, "KB"] : bytes < 1e9 ? [bytes / 2 ** 20, "MB"] : [bytes / 2 ** 30, "GB"];
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }

  function count(n, noun) {
    return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  }

  function made(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  /** Asks for states again and again while `open()` gives ids; `seen` gets each document, or its id when it is gone. */
  function poller(url, open, seen, counted) {
    let timer = 0;
    async function round() {
      timer = 0;
      const ids = open().slice(0, POLLED);
      if (!ids.length) return;
      try {
        const query = ids.map((id) => `id=${id}`).join("&");
        const told = await ask(`${url}${url.includes("?") ? "&" : "?"}${query}`);
        const found = new Map(told.documents.map((row) => [row.id, row]));
        ids.forEach((id) => seen(id, found.get(id) || null));
        counted?.(told.counts);
        wake(document.hidden ? POLL_MS * 4 : POLL_MS);
      } catch (error) {
        if (error.status === 401 || error.status === 404) return; // signed out: asking again brings nothing
        wake(POLL_MS * 4);
      }
    }
    function wake(ms = POLL_MS) {
      if (!timer) timer = setTimeout(round, ms);
    }
    return wake;
  }

  /* --- The table of documents -------------------------------------------------------------------------- */

  function listing(form) {
    const marks = [...form.querySelectorAll("input[name=document]")];
    const markAll = form.querySelector("[data-mark-all]");
    markAll.hidden = form.querySelector(".bulk .on-script").hidden = false;
    markAll.addEventListener("change", () => marks.forEach((mark) => (mark.checked = markAll.checked)));
    form.addEventListener("change", () => {
      const n = marks.filter((mark) => mark.checked).length;
      markAll.checked = n === marks.length;
      markAll.indeterminate = n > 0 && n < marks.length;
    });
    const rows = new Map([...form.querySelectorAll("[data-document]")].map((row) => [Number(row.dataset.document), row]));
    const pending = (row) => row.dataset.state === "queued" || row.dataset.state === "working";
    const open = () => [...rows].filter(([, row]) => pending(row)).map(([id]) => id);
    const wake = poller(form.dataset.states, open, seen, counted);
    wake();

    function seen(id, told) {
      const row = rows.get(id);
      if (!told) {
        row.remove();
        rows.delete(id);
      } else if (told.state !== row.dataset.state) {
        row.dataset.state = told.state;
        const chip = row.querySelector("[data-chip]");
        chip.className = `chip is-${told.state}`;
        chip.textContent = told.state;
        const reason = row.querySelector("[data-reason]");
        reason.textContent = told.reason;
        reason.hidden = !told.reason;
        row.querySelector("[data-version]").textContent = told.version || "–";
        const name = row.querySelector("[data-name]");
        if (told.url && !name.querySelector("a")) {
          const link = made("a", "", told.name);
          link.href = told.url;
          name.replaceChildren(link);
        }
        if (!open().length) {
          form.querySelector("[data-announce]").textContent = "No document of this page is waiting any more.";
        }
      }
    }

    function counted(counts) {
      const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
      for (const [state, n] of Object.entries({ ...counts, total })) {
        const place = document.querySelector(`[data-count="${state}"]`);
        if (place) place.textContent = n;
      }
    }
  }

  /* --- Upload ------------------------------------------------------------------------------------------ */

  function uploading(form) {
    const page = document.querySelector("main");
    const $ = (name) => page.querySelector(`[data-${name}]`);
    const drop = $("drop");
    const picker = form.querySelector("#files");
    const folder = $("folder");
    const select = $("collection");
    const limit = Number(form.dataset.maxBytes);
    let ready = []; // {file, name}: chosen, not sent
    let items = []; // everything that was sent or is to be sent, in order
    let next = 0; // first item that may still wait
    let active = 0;
    let stopped = false;
    let folded = 0;
    let passedOver = 0;
    const documents = new Map(); // id → item whose row shows it
    const wake = poller(form.dataset.statesUrl, open, seen);

    form.classList.add("scripted");
    form.querySelectorAll(".on-script").forEach((node) => (node.hidden = false));
    form.querySelector("[data-pick=files]").addEventListener("click", () => picker.click());
    form.querySelector("[data-pick=folder]").addEventListener("click", () => folder.click());
    for (const input of [picker, folder]) {
      input.addEventListener("change", () => {
        choose([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
        input.value = "";
      });
    }
    select.addEventListener("change", who);
    who();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    $("clear").addEventListener("click", () => {
      ready = [];
      passedOver = 0;
      showReady();
    });
    $("stop").addEventListener("click", () => (stopped ? goOn() : stop()));
    $("retry-all").addEventListener("click", retryAll);
    window.addEventListener("beforeunload", (event) => {
      if (active || (!stopped && next < items.length)) event.preventDefault();
    });

    // A drop beside the field must not open the file in place of the page.
    let inside = 0;
    page.ownerDocument.addEventListener("dragover", (event) => event.preventDefault());
    page.ownerDocument.addEventListener("drop", (event) => event.preventDefault());
    drop.addEventListener("dragenter", () => drop.classList.toggle("over", ++inside > 0));
    drop.addEventListener("dragleave", () => drop.classList.toggle("over", --inside > 0));
    drop.addEventListener("drop", async (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      inside = 0;
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      if (!entries.length) return choose([...event.dataTransfer.files].map((file) => ({ file, name: file.name })));
      const found = [];
      for (const entry of entries) await walk(entry, "", found);
      choose(found);
    });

    async function walk(entry, prefix, found) {
      const name = prefix + entry.name;
      if (entry.isFile) {
        try {
          const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
          found.push({ file, name });
        } catch {
          found.push({ file: null, name });
        }
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        // A reader gives a hundred at a time, and none at the end.
        const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
        if (!some.length) return;
        for (const child of some) await walk(child, `${name}/`, found);
      }
    }

    function who() {
      const option = select.selectedOptions[0];
      const line = $("who");
      line.hidden = !option.dataset.readers;
      line.textContent = `May be read by: ${option.dataset.readers} `;
      const link = made("a", "", "Change access");
      link.href = `${form.dataset.collectionsUrl}/${encodeURIComponent(option.value)}/`;
      line.append(link);
      line.classList.toggle("warned", "public" in option.dataset);
      showReady();
    }

    function choose(found) {
      const wanted = found.filter(({ name }) => !name.split("/").some((part) => part.startsWith(".") || JUNK.test(part)));
      passedOver += found.length - wanted.length;
      const names = new Map(ready.map((one) => [one.name, one]));
      wanted.forEach((one) => names.set(one.name, one)); // chosen twice: the last one counts
      ready = [...names.values()];
      showReady();
      if (ready.length) $("send").focus();
    }

    function showReady() {
      const bytes = ready.reduce((sum, { file }) => sum + (file?.size || 0), 0);
      const hidden = passedOver ? ` ${count(passedOver, "hidden file")} passed over.` : "";
      $("ready").textContent = ready.length ? `${count(ready.length, "file")}, ${size(bytes)}, ready.${hidden}` : hidden.trim();
      $("send").textContent = ready.length ? `Upload ${count(ready.length, "file")}` : "Upload";
      $("clear").hidden = !ready.length;
    }

    function complain(sentence) {
      const place = $("error");
      place.hidden = !sentence;
      place.textContent = sentence;
      if (sentence) place.scrollIntoView({ block: "nearest" });
    }

    async function send() {
      complain("");
      if (!ready.length) return complain("No file was chosen. Choose some, or drop them on the page.");
      if (select.value === form.dataset.new && !(await makeCollection())) return;
      const collection = select.value;
      const batch = ready;
      ready = [];
      passedOver = 0;
      showReady();
      stopped = false;
      for (const { file, name } of batch) items.push({ file, name, collection, state: "waiting", tries: 0, sent: 0 });
      $("sending").hidden = false;
      $("all-documents").href = `${form.dataset.documentsUrl}?collection=${encodeURIComponent(collection)}`;
      announce(`Sending ${count(batch.length, "file")}.`);
      document.getElementById("sending-title").focus({ preventScroll: true });
      $("sending").scrollIntoView({ block: "nearest" });
      goOn();
    }

    async function makeCollection() {
      const fields = new FormData(form);
      fields.delete("files");
      $("new-fields").querySelectorAll(".error").forEach((node) => node.remove());
      $("send").disabled = true;
      try {
        const made_ = await ask(form.dataset.collectionUrl, fields);
        const option = new Option(made_.title, made_.name, false, true);
        option.dataset.readers = made_.readers;
        if (made_.public) option.dataset.public = "";
        select.prepend(option);
        select.value = made_.name;
        who();
        return true;
      } catch (error) {
        complain(error.message);
        for (const [name, sentences] of Object.entries(error.fields || {})) {
          const field = form.elements[name];
          const place = (field?.length ? field[0] : field)?.closest?.(".field, fieldset");
          sentences.forEach((sentence) => place?.append(made("p", "error", sentence)));
          if (field?.focus) field.focus();
        }
        return false;
      } finally {
        $("send").disabled = false;
      }
    }

    function work() {
      while (!stopped && active < PARALLEL && next < items.length) {
        const item = items[next++];
        if (item.state === "waiting") begin(item);
      }
      total();
      if (active) return;
      const left = tally("waiting");
      $("stop").hidden = !left;
      $("stop").textContent = stopped ? `Go on with ${count(left, "file")}` : "Stop";
      announce(stopped ? `Stopped, ${count(left, "file")} not sent.` : "All files are sent.");
    }

    function goOn() {
      stopped = false;
      next = items.findIndex((item) => item.state === "waiting");
      if (next < 0) next = items.length;
      $("stop").textContent = "Stop";
      $("stop").hidden = next === items.length;
      work();
    }

    function begin(item) {
      row(item);
      if (!item.file) return notSent(item, "The file cannot be read from this device.", false);
      if (item.file.size > limit) {
        return notSent(item, `The file has ${size(item.file.size)}; the limit is ${size(limit)}. It was not sent.`, false);
      }
      active += 1;
      transfer(item);
    }

    function transfer(item) {
      item.tries += 1;
      show(item, "sending");
      const body = new FormData();
      body.append("collection", item.collection);
      body.append("name", item.name);
      body.append("file", item.file, "file");
      const request = new XMLHttpRequest(); // fetch does not say how much has been sent
      item.request = request;
      request.open("POST", form.dataset.fileUrl);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("X-CSRFToken", token());
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) progress(item, event.loaded / event.total);
      });
      request.addEventListener("load", () => {
        if (request.status === 429 || request.status >= 502) return again(item, said(request.status));
        try {
          arrived(item, read(request.status, request.responseText).documents);
        } catch (error) {
          if (error.status === 401 || error.status === 403) stopped = true;
          notSent(item, error.message, true);
        }
        free(item);
      });
      request.addEventListener("error", () => again(item, "The connection broke."));
      request.addEventListener("abort", () => putBack(item));
      request.send(body);
    }

    function again(item, sentence) {
      if (item.tries >= TRIES) {
        notSent(item, `${sentence} It was tried ${item.tries} times.`, true);
        return free(item);
      }
      progress(item, 0);
      item.line.textContent = `${sentence} Trying again…`;
      item.line.hidden = false;
      setTimeout(() => (stopped ? putBack(item) : transfer(item)), 700 * 2 ** (item.tries - 1));
    }

    function putBack(item) {
      item.node.remove();
      Object.assign(item, { state: "waiting", node: null, tries: 0, sent: 0 });
      free(item);
    }

    function free(item) {
      item.request = null;
      active -= 1;
      work();
    }

    function stop() {
      stopped = true;
      items.forEach((item) => item.request?.abort());
      work();
    }

    function arrived(item, rows) {
      item.file = null; // let the browser forget its bytes
      item.sent = 1;
      const [first, ...others] = rows;
      const at = items.indexOf(item) + 1;
      const members = others.map((told) => ({ name: told.name, collection: item.collection, sent: 1, member: true }));
      items.splice(at, 0, ...members);
      next += members.length;
      [item, ...members].forEach((one, i) => {
        const told = rows[i];
        one.name = told.name;
        if (!one.node && i >= LISTED) return track(one, told); // of a large archive only the first are listed
        row(one, item.node);
        track(one, told);
      });
      if (!first) notSent(item, "The archive holds no files.", false);
      wake();
    }

    function track(item, told) {
      item.id = told.id;
      documents.set(told.id, item);
      update(item, told);
    }

    function open() {
      return [...documents].filter(([, item]) => item.state === "queued" || item.state === "working").map(([id]) => id);
    }

    function seen(id, told) {
      const item = documents.get(id);
      if (!told) return forget(item);
      update(item, told);
      total();
      if (!open().length && !active && next >= items.length) {
        const bad = items.filter((one) => one.state === "failed" || one.state === "not-sent").length;
        announce(`Done: ${tally("searchable")} searchable${bad ? `, ${bad} failed` : ""}.`);
      }
    }

    function update(item, told) {
      item.retry = told.retry;
      item.url = told.url;
      show(item, told.state, told.reason);
    }

    function forget(item) {
      documents.delete(item.id);
      item.state = "deleted";
      item.node?.remove();
      item.node = null;
      total();
    }

    function notSent(item, sentence, retry) {
      item.retry = retry;
      show(item, "not-sent", sentence);
      total();
    }

    /* Rows ---------------------------------------------------------------------------------------------- */

    function row(item, after) {
      if (item.node) return;
      const node = made("li");
      item.label = made("span", "name", item.name);
      item.label.dir = "auto";
      item.place = made("span", "now");
      item.acts = made("span", "acts");
      item.line = made("p", "reason");
      item.line.hidden = true;
      node.append(item.label, made("span", "size num", item.file ? size(item.file.size) : ""), item.place, item.acts, item.line);
      item.node = node;
      if (after && after !== node) after.after(node);
      else $("files").insertBefore(node, $("files").querySelector("li:not(.trouble)"));
      fold();
    }

    function fold() {
      const rows = $("files").children;
      if (rows.length <= LISTED) return;
      for (const item of items) {
        if (rows.length <= LISTED) break;
        if (item.node && item.state === "searchable") {
          item.node.remove();
          item.node = null;
          item.folded = true;
          folded += 1;
        }
      }
      $("folded").hidden = !folded;
      $("folded").textContent = `${count(folded, "searchable document")} not listed here any more.`;
    }

    function progress(item, share) {
      item.sent = share;
      if (item.bar) item.bar.value = share;
      total();
    }

    function show(item, state, sentence = "") {
      const changed = item.state !== state;
      item.state = state;
      if (!item.node) return;
      if (changed || !item.place.firstChild) {
        if (state === "sending") {
          item.bar = made("progress");
          item.bar.max = 1;
          item.bar.setAttribute("aria-label", `Sent of ${item.name}`);
          item.place.replaceChildren(item.bar);
        } else {
          item.bar = null;
          item.place.replaceChildren(made("span", `chip is-${state}`, state.replace("-", " ")));
        }
        if (item.url) {
          const link = made("a", "", item.name);
          link.href = item.url;
          item.label.replaceChildren(link);
        } else {
          item.label.textContent = item.name;
        }
        item.acts.replaceChildren();
        if (item.retry && (state === "failed" || state === "not-sent")) button(item, "Retry", () => retry([item]));
        if (item.id && state !== "sending") button(item, "Delete", () => remove(item));
      }
      item.line.hidden = !sentence;
      item.line.textContent = sentence;
      item.node.classList.toggle("trouble", !!sentence);
      // What needs somebody stands first; a row that is in use stays where it is.
      if (changed && sentence && !item.node.contains(document.activeElement)) $("files").prepend(item.node);
    }

    function button(item, words, act) {
      const node = made("button", "link", words);
      node.type = "button";
      node.append(made("span", "hidden", ` ${item.name}`));
      node.addEventListener("click", act);
      item.acts.append(node);
    }

    function tally(state) {
      return items.filter((item) => item.state === state).length;
    }

    function total() {
      const sent = items.reduce((sum, item) => sum + (item.sent === 1 || item.state === "not-sent" ? 1 : item.sent), 0);
      const whole = items.filter((item) => item.id || item.state === "deleted").length;
      $("total").max = items.length || 1;
      $("total").value = sent;
      $("sent").textContent = `${whole.toLocaleString("en")} of ${count(items.length, "file")} sent`;
      const states = ["waiting", "sending", "queued", "working", "searchable", "failed", "not-sent"];
      const numbers = new Map(states.map((state) => [state, tally(state)]));
      $("tally").replaceChildren(
        ...[...numbers]
          .filter(([, n]) => n)
          .map(([state, n]) => {
            const chip = made("span", `chip is-${state}`);
            chip.append(made("b", "", n.toLocaleString("en")), ` ${state.replace("-", " ")}`);
            return chip;
          }),
      );
      const bad = items.filter((item) => item.retry && (item.state === "failed" || item.state === "not-sent")).length;
      $("retry-all").hidden = bad < 2;
      $("retry-all").textContent = `Retry all ${bad} failed`;
    }

    function announce(sentence) {
      $("announce").textContent = sentence;
    }

    /* Retry and delete ---------------------------------------------------------------------------------- */

    function retryAll() {
      retry(items.filter((item) => item.retry && (item.state === "failed" || item.state === "not-sent")));
    }

    async function retry(chosen) {
      complain("");
      document.getElementById("sending-title").focus({ preventScroll: true }); // the button goes away
      const unsent = chosen.filter((item) => item.state === "not-sent");
      const failed = chosen.filter((item) => item.state === "failed");
      for (const item of unsent) {
        Object.assign(item, { state: "waiting", tries: 0, sent: 0 });
        items.splice(items.indexOf(item), 1);
        items.push(item);
      }
      if (unsent.length) goOn();
      for (let i = 0; i < failed.length; i += POLLED) {
        const some = failed.slice(i, i + POLLED);
        try {
          await change("retry", some);
          some.forEach((item) => show(item, "queued"));
          announce(`${count(some.length, "document")} tried again.`);
        } catch (error) {
          complain(error.message);
        }
      }
      total();
      wake();
    }

    async function remove(item) {
      if (!confirm(`Delete ${item.name}? Nobody finds it any more.`)) return;
      complain("");
      try {
        await change("delete", [item]);
        document.getElementById("sending-title").focus({ preventScroll: true });
        announce(`${item.name} is deleted.`);
        forget(item);
      } catch (error) {
        complain(error.message);
      }
    }

    function change(action, chosen) {
      const body = new FormData();
      body.append("action", action);
      body.append("sure", "1");
      chosen.forEach((item) => body.append("document", item.id));
      return ask(form.dataset.changeUrl, body);
    }
  }

  /* --- A key that is shown once ------------------------------------------------------------------------ */

  function copying(button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      button.textContent = "Copied";
    });
  }
})();

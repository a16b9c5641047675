/* Requests to the server, and what its answers mean. */

export function token() {
  return document.querySelector("input[name=csrfmiddlewaretoken]").value;
}

/** Answer of the server as JSON; throws `Error` with a plain sentence. */
export async function ask(url, body) {
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

/** An answer as JSON; throws `Error` with the sentence, and with `status` and `fields` where it was refused. */
export function read(status, text) {
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

export function said(status) {
  if (status === 403) return "You are not signed in any more. Reload the page, and sign in.";
  if (status === 413) return "The file is larger than the server takes.";
  return `The server refused it (${status}).`;
}

// A button that asks the browser for a passkey, or to make one, and sends its form with the answer.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function readOptions(text) {
  const options = JSON.parse(text);
  options.challenge = toBytes(options.challenge);
  if (options.user) options.user.id = toBytes(options.user.id);
  for (const list of [options.allowCredentials, options.excludeCredentials])
    for (const each of list ?? []) each.id = toBytes(each.id);
  return options;
}

function writeAnswer(credential) {
  const response = { clientDataJSON: toText(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response, clientExtensionResults: {} });
}

function showFailure(button) {
  const notice = button.form.querySelector("[role=alert]") ?? button.form.appendChild(document.createElement("p"));
  notice.setAttribute("role", "alert");
  notice.className = "notice problem";
  notice.textContent = button.dataset.failed;
}

async function askForPasskey(button) {
  const publicKey = readOptions(button.dataset.options);
  try {
    const credential = await navigator.credentials[button.dataset.passkey]({ publicKey });
    button.form.elements[button.dataset.field].value = writeAnswer(credential);
  } catch {
    showFailure(button);
    return;
  }
  button.form.submit();
}

if (window.PublicKeyCredential) {
  for (const button of document.querySelectorAll("button[data-passkey]")) {
    button.hidden = false;
    button.addEventListener("click", () => askForPasskey(button));
  }
}

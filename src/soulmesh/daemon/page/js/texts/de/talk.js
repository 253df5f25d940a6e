// Räume und private Unterhaltungen: was beide haben.
export default {
  "talk.lines": "Nachrichten",
  "talk.today": "Heute",
  "talk.yesterday": "Gestern",
  "talk.new": "Neu",
  "talk.older": "Ältere Nachrichten",
  "talk.toEnd": "Zur neuesten Nachricht",
  "talk.send": "Senden",
};

// Rooms and private conversations: what both have.
export default {
  "talk.lines": "Messages",
  "talk.today": "Today",
  "talk.yesterday": "Yesterday",
  "talk.new": "New",
  "talk.older": "Older messages",
  "talk.toEnd": "To the newest message",
  "talk.send": "Send",
};

/* Messages over a serial line; README.md specifies them.
 *
 * A message is read and written piece by piece, so that nothing has to hold it whole.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdint.h>

enum message_kind {
    MESSAGE_ABOUT = 1, /* what is on this board? */
    MESSAGE_FRAME = 2, /* a camera frame: which place is it? */
    MESSAGE_INPUT = 3, /* the network's input: what are its outputs? */
    MESSAGE_REPLY = 128 /* added to the kind of what is replied to */
};

enum message_status {
    MESSAGE_OK = 0,
    MESSAGE_BAD_CHECKSUM,
    MESSAGE_UNKNOWN_KIND,
    MESSAGE_BAD_PAYLOAD, /* of a length or with a declaration that does not fit */
    MESSAGE_FAILED       /* the network did not run, or the map has no places */
};

#define MESSAGE_LONGEST (1ul << 22) /* bytes of a payload */

struct message {
    uint8_t kind;
    uint32_t left;     /* bytes of the payload that are yet to come */
    uint32_t checksum; /* of all that came so far */
};

/* Waits for the beginning of a message and reads its header. Returns 0 when the line has ended. */
int message_open(struct message *message);

/* Reads the payload's next bytes; what is missing at its end is zeros. */
void message_read(struct message *message, uint8_t *bytes, uint32_t count);
uint32_t message_read_u16(struct message *message);

/* Reads past the rest of the payload and says whether the checksum was right. */
int message_close(struct message *message);

/* Writes a message's header, its payload, its checksum. */
void message_begin(struct message *message, uint8_t kind, uint32_t length);
void message_write(struct message *message, const void *bytes, uint32_t count);
void message_write_u8(struct message *message, uint32_t value);
void message_write_u16(struct message *message, uint32_t value);
void message_write_u32(struct message *message, uint32_t value);
void message_end(struct message *message);

#endif /* MESSAGE_H */

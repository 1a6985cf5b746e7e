/* Messages over a serial line: two magic bytes, kind, length, payload, CRC-32. */
#include "message.h"

#include "board.h"

#define MAGIC_0 0x56
#define MAGIC_1 0x45

/* CRC-32 of IEEE 802.3, as zlib's crc32 has it, four bits at a time. */
static uint32_t crc32_byte(uint32_t crc, uint8_t byte)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    crc = ~crc ^ byte;
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
    return ~crc;
}

/* A byte that the checksum counts; 0 once the line has ended. */
static uint8_t get(struct message *message)
{
    const int byte = board_get();
    const uint8_t value = byte < 0 ? 0 : (uint8_t)byte;
    message->checksum = crc32_byte(message->checksum, value);
    return value;
}

int message_open(struct message *message)
{
    do {
        int byte = 0, before;
        do {
            before = byte;
            byte = board_get();
            if (byte < 0) {
                return 0;
            }
        } while (before != MAGIC_0 || byte != MAGIC_1);
        message->checksum = 0;
        message->kind = get(message);
        message->left = 0;
        for (uint32_t shift = 0; shift < 32; shift += 8) {
            message->left |= (uint32_t)get(message) << shift;
        }
        /* A length that no message has is noise: look for the next beginning. */
    } while (message->left > MESSAGE_LONGEST);
    return 1;
}

void message_read(struct message *message, uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        bytes[i] = 0;
        if (message->left > 0) {
            --message->left;
            bytes[i] = get(message);
        }
    }
}

uint32_t message_read_u16(struct message *message)
{
    uint8_t bytes[2];
    message_read(message, bytes, sizeof bytes);
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

int message_close(struct message *message)
{
    for (; message->left > 0; --message->left) {
        get(message);
    }
    const uint32_t expected = message->checksum;
    uint32_t found = 0;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        found |= (uint32_t)get(message) << shift;
    }
    return found == expected;
}

static void put(struct message *message, uint8_t byte)
{
    message->checksum = crc32_byte(message->checksum, byte);
    board_put(byte);
}

void message_begin(struct message *message, uint8_t kind, uint32_t length)
{
    board_put(MAGIC_0);
    board_put(MAGIC_1);
    message->checksum = 0;
    message_write_u8(message, kind);
    message_write_u32(message, length);
}

void message_write(struct message *message, const void *bytes, uint32_t count)
{
    const uint8_t *from = (const uint8_t *)bytes;
    for (uint32_t i = 0; i < count; ++i) {
        put(message, from[i]);
    }
}

void message_write_u8(struct message *message, uint32_t value)
{
    put(message, (uint8_t)value);
}

void message_write_u16(struct message *message, uint32_t value)
{
    message_write_u8(message, value & 255u);
    message_write_u8(message, value >> 8);
}

void message_write_u32(struct message *message, uint32_t value)
{
    message_write_u16(message, value & 65535u);
    message_write_u16(message, value >> 16);
}

void message_end(struct message *message)
{
    const uint32_t checksum = message->checksum;
    message_write_u32(message, checksum);
}

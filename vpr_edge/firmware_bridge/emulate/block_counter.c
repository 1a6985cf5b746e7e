/* A block hook for unicorn that counts instructions; compiled on this machine at first use.
 *
 * Unicorn calls it before each block of straight-line code. Instructions are counted once a block
 * and size, by the lengths of Thumb instructions, and remembered.
 */
#include <stdint.h>

struct mark {
    int64_t index;
    uint64_t instructions; /* before it */
};

/* The Python side has the same structure. */
struct counter {
    uint64_t instructions;
    uint64_t pause_at;     /* return to Python when that many instructions are counted */
    const uint8_t *code;   /* from address code_start to code_end */
    uint64_t *known;       /* by halfword of code: size << 32 | instructions, 0 where unknown */
    struct mark *marks;
    uint32_t code_start, code_end;
    uint32_t mark_start, mark_end; /* instructions of vpr_mark are not counted */
    uint32_t mark_count, mark_capacity;
    uint32_t paused_at;    /* this block is counted but has not run; 1 for none */
    uint32_t outside;      /* 1 when a block lay outside of the code */
    int32_t register_r0;
    int (*read_register)(void *engine, int id, void *value);
    int (*stop)(void *engine);
};

static uint32_t instructions_in(const uint8_t *code, uint32_t size)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < size; ++count) {
        /* Armv7-M Architecture Reference Manual, A5.1: 0b11101, 0b11110, 0b11111 begin 32 bits. */
        at += (code[at + 1] >> 3) >= 0x1D ? 4 : 2;
    }
    return count;
}

static void note_mark(void *engine, struct counter *c)
{
    int32_t index = 0;
    c->read_register(engine, c->register_r0, &index);
    c->marks[c->mark_count].index = index;
    c->marks[c->mark_count].instructions = c->instructions;
    ++c->mark_count;
}

void on_block(void *engine, uint64_t address, uint32_t size, struct counter *c)
{
    if (c->paused_at == address) {
        c->paused_at = 1;
        return;
    }
    c->paused_at = 1;
    if (address >= c->mark_start && address < c->mark_end) {
        if (address == c->mark_start) {
            note_mark(engine, c);
        }
    } else if (address < c->code_start || address + size > c->code_end) {
        c->outside = 1;
        c->stop(engine);
        return;
    } else {
        const uint32_t at = (uint32_t)address - c->code_start;
        uint64_t known = c->known[at / 2];
        if (known >> 32 != size) {
            known = (uint64_t)size << 32 | instructions_in(c->code + at, size);
            c->known[at / 2] = known;
        }
        c->instructions += (uint32_t)known;
    }
    if (c->instructions >= c->pause_at || c->mark_count == c->mark_capacity) {
        c->paused_at = (uint32_t)address;
        c->stop(engine);
    }
}

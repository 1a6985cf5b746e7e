/* Camera frame in, place out: the network `nano` and a map of places behind a serial line. */
#include "board.h"
#include "message.h"
#include "nano.h"
#include "nano_decode.h"
#include "places.h"
#include "vpr_runtime/vpr_camera.h"

#define PROTOCOL_VERSION 2u
#define LONGEST_ROW 1920u /* bytes: 640 pixels of RGB888 */
#define INPUT_WIDTH 160

static uint8_t arena[NANO_ARENA_SIZE] __attribute__((aligned(NANO_ARENA_ALIGNMENT)));

static const int32_t input_shape[NANO_INPUT_IMAGE_DIMS] = NANO_INPUT_IMAGE_SHAPE;

static const struct {
    uint32_t offset, bytes;
} outputs[] = {
    {NANO_OUTPUT_SCORE_OFFSET, NANO_OUTPUT_SCORE_BYTES},
    {NANO_OUTPUT_LOCATION_OFFSET, NANO_OUTPUT_LOCATION_BYTES},
    {NANO_OUTPUT_DESCRIPTOR_OFFSET, NANO_OUTPUT_DESCRIPTOR_BYTES},
    {NANO_OUTPUT_SEGMENTATION_OFFSET, NANO_OUTPUT_SEGMENTATION_BYTES},
    {NANO_OUTPUT_PLACE_OFFSET, NANO_OUTPUT_PLACE_BYTES},
};
#define OUTPUTS (sizeof outputs / sizeof outputs[0])

/* Runs the network on the input in the arena; ticks is how long it took. */
static enum message_status run_network(uint32_t *ticks)
{
    const uint32_t start = board_ticks();
    const enum nano_status status = nano_run(arena, NANO_ARENA_SIZE);
    *ticks = board_ticks() - start;
    return status == NANO_OK ? MESSAGE_OK : MESSAGE_FAILED;
}

static void reply_error(const struct message *request, enum message_status status)
{
    struct message reply;
    message_begin(&reply, (uint8_t)(request->kind | MESSAGE_REPLY), 1);
    message_write_u8(&reply, status);
    message_end(&reply);
}

static enum message_status reply_about(struct message *request)
{
    if (!message_close(request)) {
        return MESSAGE_BAD_CHECKSUM;
    }
    struct message reply;
    message_begin(&reply, MESSAGE_ABOUT | MESSAGE_REPLY, 30);
    message_write_u8(&reply, MESSAGE_OK);
    message_write_u8(&reply, PROTOCOL_VERSION);
    message_write_u16(&reply, (uint32_t)input_shape[1]);
    message_write_u16(&reply, (uint32_t)input_shape[2]);
    message_write_u32(&reply, NANO_INPUT_IMAGE_BYTES);
    message_write_u32(&reply, OUTPUTS);
    message_write_u32(&reply, NANO_ARENA_SIZE);
    message_write_u32(&reply, (uint32_t)places.count);
    message_write_u32(&reply, (uint32_t)places.unit);
    message_write_u32(&reply, board_ticks_hz());
    message_end(&reply);
    return MESSAGE_OK;
}

/* Reads a frame row by row into the network's input; nothing holds the whole frame. */
static enum message_status read_frame(struct message *request)
{
    static union vpr_camera_word work[VPR_CAMERA_WORK_WORDS(INPUT_WIDTH, 3)];
    static uint8_t row[LONGEST_ROW];
    struct vpr_camera camera;
    const uint32_t format = message_read_u16(request);
    const uint32_t height = message_read_u16(request), width = message_read_u16(request);
    if (format > VPR_CAMERA_YUYV) {
        return MESSAGE_BAD_PAYLOAD;
    }
    const enum vpr_camera_format pixels = (enum vpr_camera_format)format;
    const uint32_t row_bytes = width * (uint32_t)vpr_camera_pixel_bytes(pixels);
    if (row_bytes > LONGEST_ROW || request->left != height * row_bytes ||
        vpr_camera_begin(&camera, pixels, (int32_t)height, (int32_t)width, input_shape[1],
                         input_shape[2], work, sizeof work) != VPR_CAMERA_OK) {
        return MESSAGE_BAD_PAYLOAD;
    }
    for (uint32_t y = 0; y < height; ++y) {
        message_read(request, row, row_bytes);
        vpr_camera_row(&camera, row, nano_input_image(arena));
    }
    return MESSAGE_OK;
}

static enum message_status reply_place(struct message *request)
{
    enum message_status status = read_frame(request);
    if (!message_close(request)) {
        return MESSAGE_BAD_CHECKSUM;
    }
    uint32_t ticks = 0;
    if (status == MESSAGE_OK) {
        status = run_network(&ticks);
    }
    if (status != MESSAGE_OK) {
        return status;
    }
    static int8_t descriptor[NANO_OUTPUT_PLACE_ELEMENTS];
    struct vpr_place_match best;
    vpr_place_descriptor_s8(&nano_place_transform, nano_output_place(arena), places.unit,
                            descriptor);
    if (vpr_place_search(&places, descriptor, 1, &best) == 0) {
        return MESSAGE_FAILED;
    }
    struct message reply;
    message_begin(&reply, MESSAGE_FRAME | MESSAGE_REPLY, 13);
    message_write_u8(&reply, MESSAGE_OK);
    message_write_u32(&reply, ticks);
    message_write_u32(&reply, (uint32_t)places.ids[best.place]);
    message_write_u32(&reply, (uint32_t)best.score);
    message_end(&reply);
    return MESSAGE_OK;
}

static enum message_status reply_outputs(struct message *request)
{
    const int fits = request->left == NANO_INPUT_IMAGE_BYTES;
    if (fits) {
        message_read(request, (uint8_t *)nano_input_image(arena), NANO_INPUT_IMAGE_BYTES);
    }
    if (!message_close(request)) {
        return MESSAGE_BAD_CHECKSUM;
    }
    uint32_t ticks = 0, bytes = 0;
    const enum message_status status = fits ? run_network(&ticks) : MESSAGE_BAD_PAYLOAD;
    if (status != MESSAGE_OK) {
        return status;
    }
    for (uint32_t i = 0; i < OUTPUTS; ++i) {
        bytes += outputs[i].bytes;
    }
    struct message reply;
    message_begin(&reply, MESSAGE_INPUT | MESSAGE_REPLY, 5 + bytes);
    message_write_u8(&reply, MESSAGE_OK);
    message_write_u32(&reply, ticks);
    for (uint32_t i = 0; i < OUTPUTS; ++i) {
        message_write(&reply, arena + outputs[i].offset, outputs[i].bytes);
    }
    message_end(&reply);
    return MESSAGE_OK;
}

static enum message_status answer(struct message *request)
{
    switch (request->kind) {
    case MESSAGE_ABOUT:
        return reply_about(request);
    case MESSAGE_FRAME:
        return reply_place(request);
    case MESSAGE_INPUT:
        return reply_outputs(request);
    default:
        return message_close(request) ? MESSAGE_UNKNOWN_KIND : MESSAGE_BAD_CHECKSUM;
    }
}

/* On a board the line never ends; under an emulator it does. */
int main(void)
{
    struct message request;
    while (message_open(&request)) {
        const enum message_status status = answer(&request);
        if (status != MESSAGE_OK) {
            reply_error(&request, status);
        }
    }
    return 0;
}

"""Rendering a town with Panda3D's software rasteriser: colours, and which face each pixel sees.

Two passes share one off-screen buffer: textured colours, and flat colours that number the faces.
Depth is not read from the depth buffer: each pixel's ray is intersected with the plane of the
face it sees, which is exact. The rasteriser snaps corners to whole pixels and has no
anti-aliasing; both are cured by rendering `OVERSAMPLING` times larger.
"""

from collections import defaultdict
from types import TracebackType

import numpy as np
from PIL import Image

from vpr_edge.datasets.town.camera import Pinhole, Pose, View
from vpr_edge.datasets.town.conditions import Condition
from vpr_edge.datasets.town.mesh import Faces
from vpr_edge.datasets.town.props import Label
from vpr_edge.datasets.town.textures import Texture
from vpr_edge.errors import ToolMissingError
from vpr_edge.extras import install_extra

try:
    from panda3d import core as p3d
except ImportError as error:
    raise ToolMissingError(
        f"The town is rendered by Panda3D, which is not installed; {install_extra('town')}"
    ) from error

OVERSAMPLING = 3
"""Odd, so that the middle sample of each pixel lies at its centre."""
_CHUNK = 20.0
_FAR = 400.0
_SKY_RADIUS = 300.0
_CORNER = np.dtype([("xyz", "<f4", 3), ("bgra", "u1", 4), ("uv", "<f4", 2)])
"""Panda3D's vertex format V3cpt2."""

p3d.loadPrcFileData(
    "",
    "load-display p3tinydisplay\nwindow-type offscreen\naudio-library-name null\n"
    "sync-video 0\nnotify-level-display fatal\ntextures-power-2 none\ngarbage-collect-states 0",
)


class Renderer:
    """A camera in one traversal of a town; a context manager that frees its buffer.

    Args:
        camera: size and field of view of the images.
        faces: everything that is seen.
        textures: by the names that the faces use.
        sky: sky texture, uint8 [h, w, 3].
        condition: light of the traversal, baked into corners and textures.
        sun: unit vector towards the sun, float64 [3].
    """

    def __init__(
        self, camera: Pinhole, faces: Faces, textures: dict[str, Texture], sky: np.ndarray,
        condition: Condition, sun: np.ndarray,
    ) -> None:  # fmt: skip
        self._camera = camera
        self._labels = np.append(faces.labels, np.uint8(Label.SKY))
        normal, offset = faces.planes()
        self._normal = np.concatenate([normal, [[0.0, 1.0, 0.0]]])
        self._offset = np.append(offset, 0.0)
        self._rays = camera.rays()
        shade = np.clip(condition.shade(normal, sun)[:, None, :] * faces.tint, 0, 1)
        self._engine = p3d.GraphicsEngine.getGlobalPtr()
        self._buffer = self._open_buffer()
        images = {name: _lit_texture(texture, condition) for name, texture in textures.items()}
        colors, numbers = _scene_graphs(faces, shade, images)
        self._sky = _sky_dome(sky)
        self._sky.reparentTo(colors)
        self._cameras = [self._look(colors, 0.5, 1.0), self._look(numbers, 0.0, 0.5)]

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._engine.removeWindow(self._buffer)

    def render(self, pose: Pose) -> View:
        """The view from a pose in the town's own frame."""
        for camera in self._cameras:
            camera.setPosHpr(*pose.position, -pose.heading_deg, 0, 0)
        self._sky.setPos(*pose.position)
        self._engine.renderFrame()
        width, height, s = self._camera.width, self._camera.height, OVERSAMPLING
        raw = np.frombuffer(self._pixels.getRamImage(), np.uint8)
        numbers, colors = raw.reshape(2, height * s, width * s, 4)  # rows run upwards
        large = Image.frombuffer("RGBX", (width * s, height * s), colors, "raw", "RGBX", 0, 1)
        color = np.asarray(large.reduce(s))[::-1, :, 2::-1]
        middle = numbers[s // 2 :: s, s // 2 :: s][::-1].astype(np.int32)
        face = (middle[..., 2] << 16 | middle[..., 1] << 8 | middle[..., 0]) - 1
        depth = self._depth(face, pose)
        labels = self._labels[face]
        wrong = (face >= 0) & (depth == 0)
        return View(color, face, depth, np.where(wrong, np.uint8(Label.IGNORE), labels))

    def _depth(self, face: np.ndarray, pose: Pose) -> np.ndarray:
        normal = self._normal[face] @ pose.rotation.T
        distance = (self._offset - self._normal @ pose.position)[face]
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = distance / (normal * self._rays).sum(axis=-1)
        # At a silhouette a pixel may belong to a face seen edge-on, whose plane it misses.
        return np.where((face >= 0) & (depth > 0.1) & (depth < _FAR), depth, 0.0)

    def _open_buffer(self) -> "p3d.GraphicsOutput":
        properties = p3d.FrameBufferProperties()
        properties.setRgbaBits(8, 8, 8, 8)
        properties.setDepthBits(24)
        size = p3d.WindowProperties.size(
            self._camera.width * OVERSAMPLING, 2 * self._camera.height * OVERSAMPLING
        )
        pipe = p3d.GraphicsPipeSelection.getGlobalPtr().makeDefaultPipe()
        buffer = self._engine.makeOutput(
            pipe, "town", 0, properties, size, p3d.GraphicsPipe.BFRefuseWindow
        )
        if buffer is None:
            raise ToolMissingError(
                "Panda3D could not open its software renderer p3tinydisplay; "
                "reinstall it with pip install --force-reinstall panda3d."
            )
        self._pixels = p3d.Texture()
        buffer.addRenderTexture(self._pixels, p3d.GraphicsOutput.RTMCopyRam)
        buffer.setClearColor((0, 0, 0, 0))
        return buffer

    def _look(self, scene: "p3d.NodePath", bottom: float, top: float) -> "p3d.NodePath":
        """A camera whose image fills a horizontal band of the buffer.

        The rasteriser maps -1..1 to size - 0.5 pixels and rounds down where rounding to the
        nearest is right; measured with edges at known places. Film size and offset undo both.
        """
        width, height = self._camera.width * OVERSAMPLING, self._camera.height * OVERSAMPLING
        lens = p3d.PerspectiveLens()
        lens.setFilmSize(width - 0.5, height - 0.5)
        lens.setFilmOffset(-0.75, 0.75 + (self._camera.horizon - 0.5) * height)
        lens.setFocalLength(self._camera.focal * OVERSAMPLING)
        lens.setNearFar(0.25, _FAR)
        camera = scene.attachNewNode(p3d.Camera("camera", lens))
        region = self._buffer.makeDisplayRegion(0, 1, bottom, top)
        region.setCamera(camera)
        return camera


def _lit_texture(texture: Texture, condition: Condition) -> "p3d.Texture":
    image = texture.albedo.astype(np.float32) * condition.albedo
    if texture.glow is not None:
        image = np.maximum(image, texture.glow * np.float32(condition.glow))
    return _texture(image.astype(np.uint8))


def _texture(image: np.ndarray) -> "p3d.Texture":
    height, width = image.shape[:2]
    texture = p3d.Texture()
    texture.setup2dTexture(width, height, p3d.Texture.TUnsignedByte, p3d.Texture.FRgb)
    texture.setRamImage(np.ascontiguousarray(image[::-1, :, ::-1]).tobytes())
    texture.setMinfilter(p3d.SamplerState.FTNearestMipmapNearest)
    # At the default quality the software rasteriser ignores mipmaps, and distant walls flicker.
    texture.setQualityLevel(p3d.Texture.QLNormal)
    return texture


def _scene_graphs(
    faces: Faces, shade: np.ndarray, images: dict[str, "p3d.Texture"]
) -> tuple["p3d.NodePath", "p3d.NodePath"]:
    """The textured scene, and the same faces numbered from 1 in flat colours."""
    count = len(faces)
    corners = np.zeros((count, 4), _CORNER)
    corners["xyz"], corners["uv"] = faces.vertices, faces.uv
    corners["bgra"][..., :3] = np.round(shade[..., ::-1] * 255)
    corners["bgra"][..., 3] = 255
    numbered = corners.copy()
    ids = np.arange(1, count + 1, dtype="<u4")
    numbered["bgra"][..., :3] = ids[:, None].view("u1").reshape(count, 1, 4)[..., :3]
    chunks: dict[tuple[int, ...], list[int]] = defaultdict(list)
    cells = np.floor(faces.vertices.mean(axis=1)[:, :2] / _CHUNK).astype(int)
    for i, cell in enumerate(map(tuple, cells)):
        chunks[cell].append(i)
    colors, numbers = p3d.NodePath("colors"), p3d.NodePath("numbers")
    states = {name: _textured(image) for name, image in images.items()}
    for members in chunks.values():
        by_texture: dict[str, list[int]] = defaultdict(list)
        for i in members:
            by_texture[faces.textures[i]].append(i)
        node = p3d.GeomNode("chunk")
        for name, group in by_texture.items():
            node.addGeom(_geom(corners[group]), states[name])
        colors.attachNewNode(node)
        node = p3d.GeomNode("chunk")
        node.addGeom(_geom(numbered[members]))
        numbers.attachNewNode(node)
    for scene in (colors, numbers):
        scene.setAttrib(p3d.ColorAttrib.makeVertex())
        # Sorted by state, coplanar faces would win by the addresses of objects, not by their order.
        scene.setBin("unsorted", 0)
    return colors, numbers


def _geom(corners: np.ndarray) -> "p3d.Geom":
    count = len(corners)
    data = p3d.GeomVertexData("faces", p3d.GeomVertexFormat.getV3cpt2(), p3d.Geom.UHStatic)
    data.uncleanSetNumRows(4 * count)
    data.modifyArrayHandle(0).copyDataFrom(corners.tobytes())
    triangles = p3d.GeomTriangles(p3d.Geom.UHStatic)
    first = 4 * np.arange(count)[:, None, None]
    indices = (first + np.array([(0, 1, 2), (0, 2, 3)])).astype("<u2")
    array = triangles.modifyVertices(6 * count)
    array.uncleanSetNumRows(6 * count)
    array.modifyHandle().copyDataFrom(indices.tobytes())
    geom = p3d.Geom(data)
    geom.addPrimitive(triangles)
    return geom


def _sky_dome(image: np.ndarray) -> "p3d.NodePath":
    columns, rows = 24, 8
    turn, up = np.meshgrid(np.arange(columns + 1) / columns, np.arange(rows + 1) / rows)
    azimuth, elevation = turn * 2 * np.pi, up * np.pi / 2 - 0.02
    xyz = np.stack(
        [np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation),
         np.sin(elevation)], axis=-1) * _SKY_RADIUS  # fmt: skip
    grid = np.concatenate([xyz, np.stack([turn, up], axis=-1)], axis=-1)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)
    quads = quads.reshape(-1, 4, 5)
    corners = np.zeros(quads.shape[:2], _CORNER)
    corners["xyz"], corners["uv"], corners["bgra"] = quads[..., :3], quads[..., 3:], 255
    node = p3d.GeomNode("sky")
    node.addGeom(_geom(corners), _textured(_texture(image)))
    return p3d.NodePath(node)


def _textured(texture: "p3d.Texture") -> "p3d.RenderState":
    return p3d.RenderState.make(p3d.TextureAttrib.make(texture))

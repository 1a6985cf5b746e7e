"""Nano-VS-SLAM as its authors describe it, in plain torch: the oracle of the importer.

Written from the description of the network, not from its code; only the names of modules are
theirs, because checkpoints carry them. ReLU stands where they train with LeakyReLU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """3x3 convolution, BatchNorm, activation."""

    def __init__(self, inputs: int, outputs: int, leaky: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.slope = 0.01 if leaky else 0.0

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.bn(self.conv(x)), self.slope)


class Grow(nn.Module):
    """Transposed 3x3 convolution of stride 2 to a quarter of the channels."""

    def __init__(self, channels: int, leaky: bool) -> None:
        super().__init__()
        self.transposed_conv = nn.ConvTranspose2d(
            channels, channels // 4, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        self.bn = nn.BatchNorm2d(channels // 4)
        self.slope = 0.01 if leaky else 0.0

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.bn(self.transposed_conv(x)), self.slope)


class LayerNorm(nn.Module):
    """Over channels, with the deviation of the whole population."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g = nn.Parameter(1 + 0.3 * torch.randn(1, channels, 1, 1))
        self.b = nn.Parameter(0.3 * torch.randn(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        deviation = x.var(dim=1, unbiased=False, keepdim=True).sqrt()
        return (x - x.mean(dim=1, keepdim=True)) / (deviation + 1e-5) * self.g + self.b


class SelfAttention(nn.Module):
    """Four heads; keys and values from blocks of 2x2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_q = nn.Conv2d(channels, channels, 1, bias=False)
        self.to_kv = nn.Conv2d(channels, 2 * channels, 2, stride=2, bias=False)
        self.to_out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        # [N, heads, pixels, channels of a head]
        q, k, v = (
            part.reshape(n, 4, c // 4, -1).transpose(2, 3)
            for part in (self.to_q(x), *self.to_kv(x).chunk(2, dim=1))
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.to_out(mixed.transpose(2, 3).reshape(n, c, h, w))


class Filter(nn.Module):
    """Depthwise 3x3, then 1x1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class FeedForward(nn.Module):
    """Twice the channels, a filter in between; ReLU where they have GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.net = nn.Sequential(
            nn.Conv2d(channels, wide, 1), Filter(wide), nn.ReLU(), nn.Conv2d(wide, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Attention(nn.Module):
    """Both layers behind their norms, without skip connections."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.att, self.mff = (
            nn.ModuleDict({"norm": LayerNorm(channels), "fn": layer(channels)})
            for layer in (SelfAttention, FeedForward)
        )

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.att, self.mff):
            x = part["fn"](part["norm"](x))
        return x


class NetVlad(nn.Module):
    """Soft assignment of unit vectors to clusters, residuals, each cluster's of length 1."""

    def __init__(self, clusters: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, clusters, 1, bias=False)
        self.centroids = nn.Parameter(torch.rand(clusters, channels))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.normalize(x, dim=1)
        shares = self.conv(x).softmax(dim=1).flatten(2)
        residuals = x.flatten(2)[:, None] - self.centroids[None, :, :, None]
        found = (residuals * shares[:, :, None]).sum(dim=-1)
        return functional.normalize(found, dim=2)


class ConvAp(nn.Module):
    """A 1x1 convolution averaged over a grid of 4x4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel_pool = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.channel_pool(x), 4)


class Original(nn.Module):
    """The network on pictures in [-1, 1].

    Args:
        channels: c1, c2, c3, c4, c5, d1.
        fused: V3's decoders instead of V2's.
        transposed: the form for microcontrollers.
        clusters: of NetVLAD; 0 for ConvAP.
        attention: in the segmentation decoder.
        leaky: LeakyReLU, as trained for other targets.
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        fused: bool,
        transposed: bool,
        clusters: int,
        attention: bool = False,
        classes: int = 28,
        features: int = 32,
        leaky: bool = False,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5, d1 = channels
        self.fused, self.half = fused, c5 // 2

        def block(inputs: int, outputs: int) -> Block:
            return Block(inputs, outputs, leaky)

        def grow(width: int) -> nn.Module:
            return Grow(width, leaky) if transposed else nn.PixelShuffle(2)

        def plain(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 3, padding=1)

        widths = ((3, c1), (c1, c2), (c2, c2), (c2, c3), (c3, c3), (c3, c4), (c4, c4), (c4, c4))
        names = [f"conv{number}{part}" for number in (1, 2, 3, 4) for part in "ab"]
        self.backbone = nn.ModuleDict(
            {name: block(*width) for name, width in zip(names, widths, strict=True)}
        )

        def head(outputs: int) -> nn.ModuleDict:
            return nn.ModuleDict({"convDa": block(c4, c4), "convDb": plain(c4, outputs)})

        def decoder(last: int, outputs: int) -> nn.ModuleDict:
            layers: list[nn.Module] = [block(c4, c5)]
            if attention:
                layers += [Attention(c5), Attention(c5)]
            else:
                layers += [block(c5, c5), block(c5, c5), block(c5, c5)]
            layers += [block(c5, d1), block(c5 + d1 // 4, c5), block(c5, d1), block(c4 + c3, c5)]
            parts = {"convs": nn.ModuleList([*layers, plain(last, outputs)])}
            return nn.ModuleDict({**parts, "upsample": grow(d1), "upsample2": grow(d1)})

        if fused:
            self.score_loc_head = head(3)
            self.seg_head = decoder(self.half, classes)
            self.seg_head["featB"] = plain(self.half, features)
        else:
            self.score_head, self.loc_head = head(1), head(2)
            self.seg_head = decoder(c5, classes)
            self.desc_head = nn.ModuleDict(
                {
                    "convA": block(c4, c4),
                    "convB": plain(c4, 4 * c3),
                    "upsample": grow(4 * c3),
                    "confAa": block(c3 + c4, c4),
                    "confBb": plain(c4, features),
                }
            )
        self.vlad_head = nn.ModuleDict({f"convlad{number}": block(c4, c4) for number in (1, 2, 3)})
        self.vlad_head["netvlad"] = NetVlad(clusters, c4) if clusters else ConvAp(c4)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        b = self.backbone
        # What their pictures would be beyond the edge if black, 0 in [0, 1], lay there.
        first = b["conv1a"]
        x = functional.conv2d(functional.pad(image, (1, 1, 1, 1), value=-1.0), first.conv.weight)
        x = b["conv1b"](functional.leaky_relu(first.bn(x), first.slope))
        x = b["conv2b"](b["conv2a"](functional.max_pool2d(x, 2)))
        fine = b["conv3b"](b["conv3a"](x))
        x = b["conv4b"](b["conv4a"](functional.max_pool2d(fine, 2)))
        out = {}
        if self.fused:
            both = self.score_loc_head["convDb"](self.score_loc_head["convDa"](x))
            out["score"], out["location"] = both[:, :1], both[:, 1:]
        else:
            for name, head in (("score", self.score_head), ("location", self.loc_head)):
                out[name] = head["convDb"](head["convDa"](x))
            d = self.desc_head
            y = torch.cat([d["upsample"](d["convB"](d["convA"](x))), fine], 1)
            out["descriptor"] = d["confBb"](d["confAa"](y))
        s, layers = self.seg_head, list(self.seg_head["convs"])
        y = functional.max_pool2d(layers[1](layers[0](x)), 2)
        for layer in layers[2:-4]:
            y = layer(y)
        y = layers[-4](torch.cat([s["upsample"](y), x], 1))
        y = s["upsample2"](layers[-3](y))
        y = layers[-2](torch.cat([y, fine], 1))
        if self.fused:
            out["descriptor"] = s["featB"](y[:, : self.half])
            y = y[:, -self.half :]
        out["segmentation"] = layers[-1](y)
        v = self.vlad_head
        place = v["netvlad"](v["convlad3"](v["convlad2"](v["convlad1"](x))))
        # [N, clusters, C] as the map [N, C, 1, clusters].
        out["place"] = place if place.ndim == 4 else place.transpose(1, 2)[:, :, None]
        return out

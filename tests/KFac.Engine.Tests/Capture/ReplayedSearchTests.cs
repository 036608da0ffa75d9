using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>What a replayed capture finds is named as it was when the capture was recorded, whatever was searched in between.</summary>
public sealed class ReplayedSearchTests
{
    [SkippableTheory]
    [MemberData(nameof(TestDevice.Cuda), MemberType = typeof(TestDevice))]
    public void Layers_are_named_by_the_recording_that_searched_them(string key)
    {
        using Device device = TestDevice.OpenCuda(key, new DeviceOptions());
        using var arena = new Arena(device);
        var model = new TurningModel(device.DefaultStream, arena);
        using var factors = new KroneckerFactors(device, model, new FactorOptions { Kind = CurvatureKind.ForwardOnly });

        // The first order is recorded; the other one, with one layer twice, leaves other searches behind.
        Update([0, 1]);
        Update([0, 1]);
        Update([1, 0, 1]);
        model.Poison(device.DefaultStream, layer: 0);
        NonFiniteCaptureException thrown = Assert.Throws<NonFiniteCaptureException>(() => Update([0, 1]));
        Assert.Equal(("first", 1L, 2L), (thrown.Layer, thrown.Row, thrown.Column));
        thrown = Assert.Throws<NonFiniteCaptureException>(() => Update([1, 0, 1]));
        Assert.Equal(("first", 1L, 2L), (thrown.Layer, thrown.Row, thrown.Column));
        Assert.Equal(3, factors.Replays.Gathered);

        void Update(int[] order)
        {
            model.Order = order;
            factors.Update(default);
        }
    }

    /// <summary>Two layers that hand over in the order that is asked for; work is the same where the order is.</summary>
    private sealed class TurningModel(DeviceStream stream, Arena arena) : ICurvatureModel
    {
        private readonly LayerRows[] _rows =
        [
            FakeModel.Rows(stream, arena, 4, 1, 1, 3, 1),
            FakeModel.Rows(stream, arena, 4, 1, 1, 5, 2),
        ];

        public int[] Order { get; set; } = [];

        public IReadOnlyList<KroneckerLayer> Layers { get; } = [new("first", 3, 2, HasBias: false), new("second", 5, 2, HasBias: false)];

        public SharingApproximation LossSetting => SharingApproximation.Reduce;

        public int LossTerms => 4;

        public ulong? PassMark => (ulong)Order.Length;

        public void Poison(DeviceStream on, int layer) => on.Upload<float>([float.NaN], _rows[layer].Rows.Row(1).Slice(2, 1));

        public void CaptureInputs(ICaptureSink sink)
        {
            foreach (int layer in Order)
            {
                sink.Inputs(layer, _rows[layer]);
            }
        }

        public void CaptureOutputGradients(CurvatureKind kind, int samples, DeviceKey key, ICaptureSink sink)
        {
        }
    }
}

using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class NonFiniteGuardTests
{
    [SkippableTheory]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Any_of_more_searches_than_there_was_room_for_is_named(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(3, 5);
        using var guard = new NonFiniteGuard(stream, 2);
        for (int bad = 0; bad < 9; bad++)
        {
            for (int search = 0; search < 9; search++)
            {
                var values = new float[15];
                values[8] = search == bad ? float.NaN : 0;
                stream.Upload<float>(values, x.AsVector());
                guard.Search($"layer{search}", "inputs", x);
            }

            Assert.Equal(9, guard.Count);
            NonFiniteCaptureException thrown = Assert.Throws<NonFiniteCaptureException>(guard.ThrowIfFound);
            Assert.Equal(($"layer{bad}", 1L, 3L), (thrown.Layer, thrown.Row, thrown.Column));
            Assert.Equal(0, guard.Count);
        }

        guard.ThrowIfFound();
    }
}

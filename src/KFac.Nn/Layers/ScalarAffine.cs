using KFac.Kernels;

namespace KFac.Nn;

/// <summary><c>y = m·x + b</c> with one multiplier and one bias for all elements, as Fixup networks have them (Zhang et al. 2019); keeps every shape.</summary>
/// <remarks>Parameters <c>name.multiplier</c> and <c>name.bias</c>, either of which may be left out. On the device they are spread over the columns and
/// applied like a normalisation with fixed statistics.</remarks>
public sealed class ScalarAffine : Module
{
    private readonly string _name;
    private readonly bool _hasMultiplier;
    private readonly bool _hasBias;
    private ParameterRegistry? _registry;
    private Parameter? _multiplier;
    private Parameter? _bias;

    /// <summary>Describes the layer: a bias that starts as 0, a multiplier that starts as 1.</summary>
    /// <param name="name">Unique within the network.</param>
    public ScalarAffine(string name, bool multiplier = false, bool bias = true)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (!multiplier && !bias)
        {
            throw new ArgumentException($"Layer '{name}' is given neither a multiplier nor a bias; wanted one of them.");
        }

        (_name, _hasMultiplier, _hasBias) = (name, multiplier, bias);
    }

    /// <summary>Whether it has both scalars.</summary>
    internal bool IsWhole => _hasMultiplier && _hasBias;

    /// <summary>Both scalars, for a layer that applies them itself.</summary>
    /// <exception cref="InvalidOperationException">One is missing, or no network has taken the layer yet.</exception>
    internal (Parameter Multiplier, Parameter Bias) Scalars => _multiplier is not null && _bias is not null
        ? (_multiplier, _bias)
        : throw new InvalidOperationException($"Layer '{_name}' has no parameters yet; make a Network of it first.");

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (_registry is null)
        {
            throw new InvalidOperationException($"Layer '{_name}' has no parameters yet; make a Network of it first.");
        }

        int columns = input.Shape.Columns;
        MatrixView<float> constants = tape.Memory.Matrix<float>(4, columns);
        Elementwise.Fill(tape.Stream, 0f, constants.RowRange(0, 1));
        Elementwise.Fill(tape.Stream, 1f, constants.RowRange(1, 1));
        Spread(tape.Stream, _multiplier, 1f, constants, 2);
        Spread(tape.Stream, _bias, 0f, constants, 3);
        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, columns);
        BatchNorm.Normalize(tape.Stream, x, x.Rows, constants.RowRange(0, 2), constants.Row(2), constants.Row(3), y);
        ScalarAffineOperation operation = tape.Rent<ScalarAffineOperation>();
        operation.Input = input;
        operation.Constants = constants;
        operation.Multiplier = _multiplier;
        operation.Bias = _bias;
        return tape.Record(operation, y, input.Shape, input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, _name))
        {
            _multiplier = _hasMultiplier ? registry.AddVector($"{_name}.multiplier", 1, ParameterInitialization.Ones) : null;
            _bias = _hasBias ? registry.AddVector($"{_name}.bias", 1, ParameterInitialization.Zeros) : null;
        }
    }

    /// <summary>Writes a scalar that lies on the device to every column of a row.</summary>
    private static void Spread(DeviceStream stream, Parameter? scalar, float otherwise, MatrixView<float> constants, int row)
    {
        MatrixView<float> target = constants.RowRange(row, 1);
        if (scalar is null)
        {
            Elementwise.Fill(stream, otherwise, target);
        }
        else
        {
            Gemm.Run(stream, Transpose.No, Transpose.No, 1f, scalar.Values, constants.RowRange(1, 1), 0f, target);
        }
    }
}

/// <summary>One use: <c>∂x = m·∂y</c>, <c>∂m = Σ x∘∂y</c>, <c>∂b = Σ ∂y</c>.</summary>
internal sealed class ScalarAffineOperation : TapeOperation
{
    public Variable Input { get; set; }

    /// <summary>Rows: zeros, ones, the multiplier, the bias.</summary>
    public MatrixView<float> Constants { get; set; }

    public Parameter? Multiplier { get; set; }

    public Parameter? Bias { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> x = Input.Value;
        if (pass.Options.WeightGradients)
        {
            MatrixView<float> sums = pass.Scratch(2, x.Columns);
            if (Multiplier is null)
            {
                Reduction.ColumnSum(pass.Stream, outputGradient, 1f, 0f, sums.Row(1));
            }
            else
            {
                BatchNorm.ParameterGradients(pass.Stream, x, x.Rows, Constants.RowRange(0, 2), outputGradient, 0f, sums.Row(0), sums.Row(1));
            }

            Add(pass, Multiplier, sums.RowRange(0, 1));
            Add(pass, Bias, sums.RowRange(1, 1));
            pass.Release(sums);
        }

        if (!Input.NeedsGradient)
        {
            pass.Release(outputGradient);
            return;
        }

        if (Multiplier is not null)
        {
            BatchNorm.Backward(
                pass.Stream, x, x.Rows, Constants.RowRange(0, 2), Constants.Row(2), outputGradient, outputGradient, constantStatistics: true);
        }

        pass.Contribute(Input, outputGradient);
    }

    /// <summary>Sums a row into a scalar's gradient.</summary>
    private void Add(BackwardPass pass, Parameter? scalar, MatrixView<float> sums)
    {
        if (scalar is not null)
        {
            float beta = scalar.StartContribution(pass);
            Gemm.Run(pass.Stream, Transpose.No, Transpose.Yes, 1f, sums, Constants.RowRange(1, 1), beta, scalar.Gradients);
        }
    }
}
